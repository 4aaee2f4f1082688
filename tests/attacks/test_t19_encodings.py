"""T19: bodies that are compressed and would swell. No encoding is taken: 415 on every route that takes a body.

But for tensors of the Open Inference Protocol, whose clients compress them: there what swells is counted as it does.
"""

import gzip
import zlib
from typing import Any

import httpx
import pytest

from tests.answers import expect_failure, expect_problem, expect_refusal
from tests.attacks.conftest import Memory
from tests.attacks.places import application, places
from tests.house.sources import imported, modules

Json = dict[str, Any]
MEGABYTE = 1 << 20
SWELLING = (gzip.compress(b'{"layers": [{"type": "dense"}]}'), gzip.compress(bytes(20 * MEGABYTE)))
INFER = "/infer"
ENCODINGS = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "GZIP", "gzip, gzip", "identity, gzip", "x" * 1000)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, penguins_run: Json) -> list[tuple[str, str]]:
    """Every method and path that takes a body."""
    known = {"run_id": penguins_run["id"], "name": "palmer", "alias": "serving"}
    found = places(application(tmp_path_factory.mktemp("application")))
    return [
        (method, place.filled(**known))
        for place in found
        for method in sorted(place.methods & {"POST", "PUT", "PATCH"})
        # Its body is not looked at; a queue of its own would be cancelled.
        if not place.path.endswith(("/cancel", INFER))
    ]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda text: text[:20])
def test_an_encoded_body_is_refused_everywhere(
    api: httpx.Client, memory: Memory, paths: list[tuple[str, str]], encoding: str
) -> None:
    assert len(paths) > 8
    for method, path in paths:
        for content in SWELLING:
            for media_type in ("application/json", "text/csv", "multipart/form-data; boundary=x"):
                headers = {"Content-Type": media_type, "Content-Encoding": encoding}
                answer = api.request(method, path, content=content, headers=headers)
                expect_refusal(answer, 501 if path.startswith("/v2/") else 415, "encoding_unsupported")
    assert memory.grown() < 30 * MEGABYTE


def test_a_body_as_it_is_may_say_so(api: httpx.Client) -> None:
    headers = {"Content-Encoding": "identity"}
    answer = api.post("/api/v1/networks/check", json={"layers": [{"type": "dense"}]}, headers=headers)
    assert answer.status_code == 200


def test_a_compressed_picture_of_a_form_is_no_picture(api: httpx.Client, pictures_run: Json) -> None:
    swollen = zlib.compress(bytes(50 * MEGABYTE))
    expect_problem(api.post("/api/v1/models/pictures/predict", files={"file": ("x.png", swollen)}), 422)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_tensors_that_swell_are_refused_where_the_largest_body_ends(
    api: httpx.Client, memory: Memory, encoding: str
) -> None:
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = compress(bytes(200 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    headers = {"Content-Encoding": encoding, "Inference-Header-Content-Length": "0"}
    for path in ("/v2/models/palmer/infer", "/v2/models/palmer/versions/1/infer"):
        expect_failure(api.post(path, content=bomb, headers=headers), 413, "larger than")
    assert memory.grown() < 140 * MEGABYTE


def test_no_module_that_answers_inflates_anything_but_tensors() -> None:
    users = {str(path) for path, tree in modules() if imported(tree) & {"gzip", "zlib", "brotli", "zstandard"}}
    assert {user for user in users if user.startswith("app/web")} == {"app/web/protocols/compression.py"}

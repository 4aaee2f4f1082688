"""T19: bodies that are compressed and would swell. No encoding is taken: 415 on every route that takes a body."""

import gzip
import zlib
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.attacks.places import application, places
from tests.house.sources import imported, modules

Json = dict[str, Any]
MEGABYTE = 1 << 20
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
        if not place.path.endswith("/cancel")
    ]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda text: text[:20])
def test_an_encoded_body_is_refused_everywhere(
    api: httpx.Client, memory: Memory, paths: list[tuple[str, str]], encoding: str
) -> None:
    assert len(paths) > 8
    for method, path in paths:
        for content in (gzip.compress(b'{"layers": [{"type": "dense"}]}'), gzip.compress(bytes(20 * MEGABYTE))):
            for media_type in ("application/json", "text/csv", "multipart/form-data; boundary=x"):
                headers = {"Content-Type": media_type, "Content-Encoding": encoding}
                answer = api.request(method, path, content=content, headers=headers)
                expect_problem(answer, 415, "encoding_unsupported")
    assert memory.grown() < 30 * MEGABYTE


def test_a_body_as_it_is_may_say_so(api: httpx.Client) -> None:
    headers = {"Content-Encoding": "identity"}
    answer = api.post("/api/v1/networks/check", json={"layers": [{"type": "dense"}]}, headers=headers)
    assert answer.status_code == 200


def test_a_compressed_picture_of_a_form_is_no_picture(api: httpx.Client, pictures_run: Json) -> None:
    swollen = zlib.compress(bytes(50 * MEGABYTE))
    expect_problem(api.post("/api/v1/models/pictures/predict", files={"file": ("x.png", swollen)}), 422)


def test_no_module_that_answers_inflates_anything() -> None:
    users = {str(path) for path, tree in modules() if imported(tree) & {"gzip", "zlib", "brotli", "zstandard"}}
    assert {user for user in users if user.startswith("app/web")} == set()

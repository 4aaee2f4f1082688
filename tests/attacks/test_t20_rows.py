"""T20: predictions of a million rows, of none, of a wrong width, and many at once. Refused, with the limit named."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.service import Service
from tests.web.predictions import FEATURES, csv_of, npy_of, penguin_rows

Json = dict[str, Any]
ROWS = penguin_rows()
PATH = "/api/v1/models/palmer/predict"
MEGABYTE = 1 << 20
pytestmark = pytest.mark.usefixtures("penguins_run", "pictures_run")


def post(api: httpx.Client, content: bytes, media_type: str, path: str = PATH) -> httpx.Response:
    return api.post(path, content=content, headers={"Content-Type": media_type})


def million() -> dict[str, tuple[str, bytes]]:
    """A million rows as JSON objects, as JSON arrays, as CSV, and as an array."""
    header, row = csv_of(ROWS[:1]).splitlines()
    array = json.dumps([0.0] * len(FEATURES)).encode()
    return {
        "objects": ("application/json", b'{"instances": [' + b'{"year":1},' * 999_999 + b'{"year":1}]}'),
        "arrays": ("application/json", b'{"instances": [' + (array + b",") * 999_999 + array + b"]}"),
        "CSV": ("text/csv", f"{header}\n".encode() + f"{row}\n".encode() * 1_000_000),
        "CSV of CR": ("text/csv", f"{header}\r".encode() + f"{row}\r".encode() * 1_000_000),
        "array": ("application/x-npy", npy_of(np.zeros((1_000_000, 6), np.float32))),
    }


@pytest.mark.parametrize("kind", ["objects", "arrays", "CSV", "CSV of CR", "array"])
def test_a_million_rows_are_too_many(api: httpx.Client, memory: Memory, kind: str) -> None:
    media_type, content = million()[kind]
    expect_problem(post(api, content, media_type), (413, 422))
    # Twice: as it was received, and as it was read.
    assert memory.grown() < 20 * len(content) + 100 * MEGABYTE


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", b'{"instances": []}'),
        ("application/json", b'{"instances": {}}'),
        ("application/json", b'{"instances": null}'),
        ("application/json", b'{"instances": 1000000}'),
        ("application/json", b"{}"),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("text/csv", b""),
        ("text/csv", b"\n"),
        ("text/csv", csv_of(ROWS[:1]).splitlines()[0].encode() + b"\n"),
        ("application/x-npy", npy_of(np.zeros((0, 6), np.float32))),
    ],
)
def test_no_rows_are_too_few(api: httpx.Client, media_type: str, content: bytes) -> None:
    expect_problem(post(api, content, media_type), (400, 422))
    expect_problem(post(api, content, media_type, "/api/v1/models/pictures/predict"), (400, 422))


@pytest.mark.parametrize("width", [0, 1, len(FEATURES) - 1, len(FEATURES) + 1, 10_000])
def test_a_wrong_width_is_named_by_its_row(api: httpx.Client, width: int) -> None:
    honest = [ROWS[0][name] for name in FEATURES]
    document = expect_problem(api.post(PATH, json={"instances": [honest, [1.0] * width]}), 422)
    assert all(error["pointer"].startswith("/instances/1") for error in document["errors"])


def test_columns_that_are_none_of_the_models_are_refused_or_passed_over(api: httpx.Client) -> None:
    row = {**ROWS[0], **{f"column {index}": 1 for index in range(10_000)}}
    answer = api.post(PATH, json={"instances": [row]})
    assert answer.status_code in (200, 413, 422)


def test_many_large_predictions_at_once_are_answered_or_put_off(service: Service, memory: Memory) -> None:
    content = json.dumps({"instances": ROWS * 30}).encode()

    def ask(_: int) -> int:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            answer = client.post(PATH, content=content, headers={"Content-Type": "application/json"})
            if answer.status_code != 200:
                expect_problem(answer, (429, 503))
                assert int(answer.headers["retry-after"]) > 0
            return answer.status_code

    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(ask, range(24)))
    assert 200 in statuses
    assert memory.grown() < 400 * MEGABYTE

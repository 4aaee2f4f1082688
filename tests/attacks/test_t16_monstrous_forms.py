"""T16: forms of a hundred thousand parts, headers and boundaries of 100 kB, 10 MB before and behind. Refused fast."""

import time

import httpx
import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.attacks.uploads import CSV

MEGABYTE = 1 << 20
FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}
START = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'


def form(part: bytes, times: int = 1) -> bytes:
    return part * times + b"--frontier--\r\n"


FORMS = {
    "100,000 parts": form(b'--frontier\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n', 100_000),
    "100,000 files": form(START + b"x\r\n", 100_000),
    "a header of 1 MB": form(b"--frontier\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\nx\r\n"),
    "10,000 headers": form(b"--frontier\r\n" + b"X-Many: x\r\n" * 10_000 + b"\r\nx\r\n"),
    "a preamble of 10 MB": b"x" * (10 * MEGABYTE) + form(START + CSV + b"\r\n"),
    "a field of 50 MB": form(
        b'--frontier\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"x" * (50 * MEGABYTE) + b"\r\n"
    ),
    "a file without a name": form(b'--frontier\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + CSV + b"\r\n"),
    "no disposition": form(b"--frontier\r\n\r\n" + CSV + b"\r\n"),
    "no end": START + CSV,
    "no start": CSV,
    "empty": b"",
    "end alone": b"--frontier--\r\n",
    "line feeds alone": START.replace(b"\r\n", b"\n") + CSV + b"\n--frontier--\n",
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("path", ["/api/v1/datasets", "/api/v1/models/pictures/predict"])
def test_a_monstrous_form_is_refused_fast(api: httpx.Client, memory: Memory, path: str, kind: str) -> None:
    begin = time.monotonic()
    answer = api.post(path, content=FORMS[kind], headers=FORM)
    expect_problem(answer, (400, 413, 422))
    assert time.monotonic() - begin < 10
    # What is predicted is held in memory once; what is uploaded is not.
    allowed = 50 * MEGABYTE + (2 * len(FORMS[kind]) if "predict" in path else 0)
    assert memory.grown() < allowed


def test_an_epilogue_is_passed_over_or_refused(api: httpx.Client, memory: Memory) -> None:
    content = form(START + CSV + b"\r\n") + b"x" * (10 * MEGABYTE)
    answer = api.post("/api/v1/datasets", content=content, headers=FORM)
    if answer.status_code == 201:
        assert api.delete(answer.headers["location"]).status_code == 204
    else:
        expect_problem(answer, (400, 422))
    assert memory.grown() < 50 * MEGABYTE


@pytest.mark.parametrize(
    "boundary", ["", "x" * 100_000, "x" * 300, '"', "a b", "\u00e9", "x; boundary=y", "--"], ids=lambda text: text[:8]
)
def test_a_strange_boundary_is_refused(api: httpx.Client, pictures_run: object, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}".encode("latin-1")}
    for path in ("/api/v1/datasets", "/api/v1/models/pictures/predict"):
        raw = [(b"Content-Type", headers["Content-Type"])]
        answer = api.post(path, content=START + CSV + b"\r\n--frontier--\r\n", headers=raw)
        assert 400 <= answer.status_code < 500
        if len(boundary) < 50_000:
            expect_problem(answer, (400, 415, 422, 431))

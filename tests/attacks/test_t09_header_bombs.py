"""T09: headers that declare more than is there. Refused before anything of that size is asked of the system."""

import gzip
import io
import json
import struct
import time
import zipfile

import httpx
import numpy as np
import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.attacks.uploads import send

MEGABYTE = 1 << 20


def npy_header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """A header of NumPy's format with any text in it, and a few bytes of data."""
    body = text.encode("latin-1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(body))
    return b"\x93NUMPY" + bytes(version) + size + body + bytes(32)


def header(shape: str, descr: str = "'<f4'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


BOMBS = {
    "terabytes": npy_header(header("(1000000000000,)")),
    "terabytes of pictures": npy_header(header("(1000000, 64, 64, 3)")),
    "overflow": npy_header(header("(4294967296, 4294967296, 3)")),
    "negative": npy_header(header("(-1, 64, 64, 3)")),
    "huge number": npy_header(header(f"({'9' * 3000},)")),
    "many axes": npy_header(header("(" + "1," * 3000 + ")")),
    "no axes": npy_header(header("()")),
    "zero": npy_header(header("(0, 64, 64, 3)")),
    "empty rows": npy_header(header("(1000000000, 0)")),
    "objects": npy_header(header("(4,)", "'|O'")),
    "record": npy_header(header("(4,)", "[('a', '<f4'), ('b', '|O')]")),
    "subarray": npy_header(header("(1,)", "('<f4', (1000000, 1000000))")),
    "wide texts": npy_header(header("(1,)", "'<U1000000000'")),
    "void": npy_header(header("(1,)", "'|V2000000000'")),
    "code": npy_header("__import__('os').system('true')"),
    "deep": npy_header("(" * 3000 + ")" * 3000),
    "sums": npy_header(header("(" + "1+" * 1000 + "1,)")),
    "not closed": npy_header("{'descr': '<f4'"),
    "missing keys": npy_header("{}"),
    "doubled keys": npy_header("{'shape': (1,), 'shape': (10**9,), 'descr': '<f4', 'fortran_order': False}"),
    "4 GB header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "version 3": npy_header(header("(1000000000000,)"), (3, 0)),
    "version 9": npy_header(header("(8,)"), (9, 9)),
    "cut": b"\x93NUMPY\x01",
    "complex": npy_header(header("(4,)", "'<c8'")),
    "dates": npy_header(header("(4,)", "'<M8[s]'")),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_arrays_header_is_not_believed(api: httpx.Client, memory: Memory, kind: str) -> None:
    for model in ("palmer", "pictures"):
        answer = api.post(
            f"/api/v1/models/{model}/predict", content=BOMBS[kind], headers={"Content-Type": "application/x-npy"}
        )
        expect_problem(answer, (400, 413, 422))
    honest = io.BytesIO()
    np.save(honest, np.arange(8, dtype=np.float32))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", BOMBS[kind])
        archive.writestr("y.npy", honest.getvalue())
    expect_problem(send(api, buffer.getvalue(), "x.npz"), (413, 422))
    assert memory.grown() < 50 * MEGABYTE


TENSOR = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100_000_000) + b"{}",
        struct.pack("<Q", 200)
        + json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode(),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
    ids=["length of 2^63", "length past the file", "tensor past the file", "depth"],
)
def test_a_weights_header_is_not_believed_wherever_it_is_sent(
    api: httpx.Client, memory: Memory, content: bytes
) -> None:
    for name in ("x.safetensors", "x.npz", "x.csv"):
        expect_problem(send(api, content, name), (400, 415, 422))
    for media_type in ("application/octet-stream", "application/x-npy", "application/x-safetensors"):
        answer = api.post("/api/v1/models/palmer/predict", content=content, headers={"Content-Type": media_type})
        expect_problem(answer, (400, 415, 422))
    assert memory.grown() < 50 * MEGABYTE


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
        b"PAR1" + bytes(100) + b"\xff\xff\xff\xffPAR1",
        b"PAR1" + b"\x15\x00" * 1000 + struct.pack("<I", 2000) + b"PAR1",
        b"PAR1",
        b"PAR1PAR1",
        b"PARE" + bytes(64) + b"PARE",
    ],
    ids=["footer past the file", "footer of 4 GB", "footer of noise", "start alone", "no footer", "encrypted"],
)
def test_a_parquet_footer_is_not_believed(api: httpx.Client, memory: Memory, content: bytes) -> None:
    expect_problem(send(api, content, "x.parquet"), (413, 422))
    assert memory.grown() < 50 * MEGABYTE


def test_a_gzip_that_swells_is_refused_at_a_bounded_cost(api: httpx.Client, memory: Memory) -> None:
    swollen = gzip.compress(bytes(200 * MEGABYTE), 6)
    begin = time.monotonic()
    expect_problem(send(api, swollen, "x.csv.gz"), (413, 422))
    assert time.monotonic() - begin < 20
    assert memory.grown() < 50 * MEGABYTE

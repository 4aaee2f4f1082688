"""Laws of what reads and writes tensors: what was written is read, and the fast way reads as the strict one."""

import asyncio
import gzip
import json
import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRows, Malformed
from app.web.protocols import compression
from app.web.protocols.datatypes import NUMBERS, bytes_of, numbers_of, texts_of
from app.web.protocols.json_header import read_header
from app.web.protocols.json_tensors import list_tensor

SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)
SCALARS = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
)


def nested(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    return np.array(values, np.object_).reshape(shape).tolist()  # type: ignore[no-any-return]


@given(st.lists(st.text(max_size=20)))
def test_texts_that_were_written_are_read(texts: list[str]) -> None:
    content = bytes_of([text.encode() for text in texts])
    assert texts_of(memoryview(content), len(texts), "x") == texts
    for wrong in (content[:-1], content + b"\0"):
        if wrong != content:
            with pytest.raises(InvalidRows):
                texts_of(memoryview(wrong), len(texts), "x")


@given(SHAPES, st.data())
def test_a_list_says_the_same_flat_and_nested(shape: tuple[int, ...], data: st.DataObject) -> None:
    count = math.prod(shape)
    values = data.draw(st.lists(st.integers(-100, 100), min_size=count, max_size=count))
    flat = list_tensor("x", "FP32", shape, values).numbers
    assert flat is not None
    assert flat.shape == shape
    assert flat.ravel().tolist() == values
    if count:
        deep = list_tensor("x", "FP32", shape, nested(values, shape)).numbers
        assert np.array_equal(np.asarray(deep), flat)


@pytest.mark.parametrize("datatype", sorted(set(NUMBERS) - {"BF16", "BOOL"}))
def test_bytes_are_the_numbers_of_their_datatype(datatype: str) -> None:
    numbers = np.array([[0, 1, 2], [3, 100, 127]], NUMBERS[datatype])
    assert np.array_equal(numbers_of(datatype, memoryview(numbers.tobytes()), (2, 3)), numbers)
    assert numbers_of(datatype, memoryview(b""), (0, 3)).shape == (0, 3)


def test_half_an_fp32_is_a_bf16_and_what_is_not_nought_is_true() -> None:
    numbers = np.array([1.0, -2.5, 3.0e38, 0.0], np.float32)
    upper = (numbers.view(np.uint32) >> 16).astype("<u2")
    found = numbers_of("BF16", memoryview(upper.tobytes()), (4,))
    assert found.dtype == np.float32
    assert found[:2].tolist() == [1.0, -2.5]
    assert numbers_of("BOOL", memoryview(b"\0\1\2"), (3,)).tolist() == [False, True, True]


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_a_header_is_read_as_json_reads_it(document: dict[str, Any]) -> None:
    content = json.dumps(document, ensure_ascii=False)
    if "\\u" in content or "\0" in content:
        return
    assert read_header(content.encode()) == document
    for name in document:
        # The same key once more.
        twice = content[:-1] + f", {json.dumps(name, ensure_ascii=False)}: 1}}"
        with pytest.raises(Malformed):
            read_header(twice.encode())


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize(
    "count", [0, 1, compression.PIECE_BYTES - 1, compression.PIECE_BYTES, 3 * compression.PIECE_BYTES + 7]
)
def test_what_was_compressed_comes_back_piece_by_piece(
    encoding: str, compress: Callable[[bytes], bytes], count: int
) -> None:
    async def at_once(work: Callable[[], bytes]) -> bytes:
        return work()

    content = bytes(count)
    assert asyncio.run(compression.inflated(compress(content), encoding, None, at_once)) == content
    assert (
        asyncio.run(compression.inflated(compression.deflated(content, encoding), encoding, None, at_once)) == content
    )

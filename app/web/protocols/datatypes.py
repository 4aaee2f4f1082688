"""Tensor datatypes of the Open Inference Protocol, and their bytes: little-endian, row-major."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRows

BYTES, BOOL, BF16, FP32 = "BYTES", "BOOL", "BF16", "FP32"
WHOLE: dict[str, np.dtype[np.integer]] = {
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
NUMBERS: dict[str, np.dtype[np.generic]] = {
    **WHOLE,
    "FP16": np.dtype("<f2"),
    FP32: np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    # The upper half of an FP32, which NumPy has no type for.
    BF16: np.dtype("<u2"),
    BOOL: np.dtype("<u1"),
}
"""What holds an element's bytes. `BYTES` has none: each element is a length of four bytes and as many bytes."""
KNOWN = frozenset((*NUMBERS, BYTES))
ONLY_BINARY = frozenset(("FP16", BF16))
"""Triton and its clients take these as bytes alone; JSON has no honest spelling for them."""
_LENGTH = struct.Struct("<I")


def numbers_of(datatype: str, content: memoryview, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """The numbers (or truths) of a binary tensor, sharing its memory where NumPy has the type.

    `content` must have just the bytes that `shape` needs.
    """
    held = np.frombuffer(content, NUMBERS[datatype]).reshape(shape)
    if datatype == BF16:
        return (held.astype("<u4") << np.uint32(16)).view("<f4")
    return held != 0 if datatype == BOOL else held


def texts_of(content: memoryview, count: int, name: str) -> list[str]:
    """The texts of a binary `BYTES` tensor of `count` elements. Raises `InvalidRows` where lengths or UTF-8 lie."""
    texts: list[str] = []
    start, end = 0, len(content)
    while start < end and len(texts) < count:
        if end - start < _LENGTH.size:
            raise wrong(f"input '{name}': element {len(texts)} has no whole length before it")
        length = _LENGTH.unpack_from(content, start)[0]
        start += _LENGTH.size
        if length > end - start:
            raise wrong(
                f"input '{name}': element {len(texts)} has {length} bytes by its length; {end - start} are left"
            )
        texts.append(text_of(bytes(content[start : start + length]), name, len(texts)))
        start += length
    if len(texts) != count or start != end:
        raise wrong(f"input '{name}': the shape has {count} elements, and the bytes sent are not just those")
    return texts


def text_of(content: bytes, name: str, element: int) -> str:
    """UTF-8 as text. Raises `InvalidRows`."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise wrong(f"input '{name}': element {element} is not UTF-8") from None


def bytes_of(texts: Sequence[bytes]) -> bytes:
    """A binary `BYTES` tensor."""
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def wrong(message: str) -> InvalidRows:
    """A failure about a tensor."""
    return InvalidRows(message, code="tensor_invalid")

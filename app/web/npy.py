"""An array in a request body, read without trusting its header; and one in an answer."""

import io
import math

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRows
from app.ingest.npy_header import START_BYTES, parsed, text_place

MAX_HEADER_BYTES = 4_096
MAX_AXES = 4


def read_npy(body: bytes) -> NDArray[np.generic]:
    """The array in `body`, sharing its memory. Raises `InvalidRows` for anything but plain numbers of the size sent."""
    place = text_place(body[:START_BYTES])
    if place is None:
        raise _refused("the body is not an array in NumPy's format")
    begins, length = place
    if length > MAX_HEADER_BYTES:
        raise _refused(f"the array's header has {length} bytes; {MAX_HEADER_BYTES} are allowed")
    header = parsed(body[begins : begins + length].decode("latin-1"))
    if header is None or header.dtype.kind not in "fiu":
        raise _refused("the array must hold plain numbers, and its header must say so as NumPy writes it")
    if not 1 <= len(header.shape) <= MAX_AXES:
        raise _refused(f"the array must have 1 to {MAX_AXES} axes; received {len(header.shape)}")
    expected, held = math.prod(header.shape) * header.dtype.itemsize, len(body) - begins - length
    if expected != held:
        raise _refused(f"the array's header declares {expected} bytes, but {held} were sent")
    flat = np.frombuffer(body, header.dtype, offset=begins + length)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def npy_of(array: NDArray[np.float32]) -> bytes:
    """The array in NumPy's format."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def _refused(message: str) -> InvalidRows:
    return InvalidRows(message, code="array_invalid")

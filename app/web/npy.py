"""An array in a request body, read without trusting its header."""

import io
import math
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from app.errors import InvalidRows

MAX_HEADER_BYTES = 4_096
MAX_AXES = 4


def read_npy(body: bytes) -> NDArray[np.generic]:
    """The array in `body`, sharing its memory. Raises `InvalidRows` for anything but plain numbers of the size sent."""
    stream = io.BytesIO(body)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream, max_header_size=MAX_HEADER_BYTES)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError) as error:
        raise _refused("the body is not an array in NumPy's format") from error
    if dtype.kind not in "fiu" or dtype.hasobject:
        raise _refused(f"the array must hold numbers; received {dtype}")
    if not 1 <= len(shape) <= MAX_AXES:
        raise _refused(f"the array must have 1 to {MAX_AXES} axes; received {len(shape)}")
    expected, held = math.prod(shape) * dtype.itemsize, len(body) - stream.tell()
    if expected != held:
        raise _refused(f"the array's header declares {expected} bytes, but {held} were sent")
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _refused(message: str) -> InvalidRows:
    return InvalidRows(message, code="array_invalid")

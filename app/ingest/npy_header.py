"""The header of a NumPy array, read by hand: never evaluated, and nothing is allocated by what it declares.

NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays". Only plain numbers and texts are known here: no
pickled objects, no structured types.
"""

import re
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

MAGIC = b"\x93NUMPY"
START_BYTES = 12
"""As many bytes from the start as tell a header's length, in every version of the format."""
_NAMED = r"['\"]{}['\"] {{0,4}}: {{0,4}}{}"
_TYPE_GIVEN = re.compile(_NAMED.format("descr", r"['\"]([^'\"]{1,32})['\"]"))
_ORDER_GIVEN = re.compile(_NAMED.format("fortran_order", "(True|False)"))
_SHAPE_GIVEN = re.compile(_NAMED.format("shape", r"\(([0-9, L]{0,200})\)"))
_GIVEN = "|".join(given.pattern for given in (_TYPE_GIVEN, _ORDER_GIVEN, _SHAPE_GIVEN))
_HEADER = re.compile(rf"\{{ {{0,4}}(?:(?:{_GIVEN}) {{0,4}},? {{0,4}}){{3}}\}}\s*")
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US][0-9]{1,6})")
_SIDE_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Header:
    """What an array declares. A product of `shape` may be any size: compare it with what is there."""

    dtype: np.dtype[np.generic]
    fortran: bool
    shape: tuple[int, ...]


def text_place(start: bytes) -> tuple[int, int] | None:
    """Where the header's text begins in a file, and its length, by the file's first bytes; None for no array."""
    if not start.startswith(MAGIC) or len(start) < START_BYTES or start[6] not in (1, 2, 3):
        return None
    layout = "<H" if start[6] == 1 else "<I"
    (length,) = struct.unpack_from(layout, start, 8)
    return 8 + struct.calcsize(layout), length


@lru_cache(64)
def parsed(text: str) -> Header | None:
    """The header whose text this is; None where it is another, or declares anything but plain numbers and texts."""
    if _HEADER.fullmatch(text) is None:
        return None
    kind, order, shape = (given.findall(text) for given in (_TYPE_GIVEN, _ORDER_GIVEN, _SHAPE_GIVEN))
    if not kind or not order or not shape or _TYPE.fullmatch(kind[0]) is None:
        return None
    sides = [side.strip(" L") for side in shape[0].split(",")]
    given = sides[:-1] if sides[-1] == "" else sides
    if not all(side.isdecimal() and len(side) <= _SIDE_DIGITS for side in given):
        return None
    return Header(np.dtype(kind[0]), order[0] == "True", tuple(map(int, given)))

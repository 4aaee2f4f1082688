"""Arrow's functions as this room uses them, with types that hold: its own are partly generic, partly missing."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Cells: TypeAlias = "pa.Array[pa.Scalar[Any]]"
"""An Arrow array of any type. (The quotes stay: the class takes no arguments when the program runs.)"""


def floats(column: Cells, safe: bool = True) -> NDArray[np.float64]:
    """Texts or numbers as float64 [n], NaN where null. Raises pyarrow.ArrowInvalid for texts that are no numbers."""
    values: NDArray[np.float64] = pc.cast(column, pa.float64(), safe=safe).to_numpy(zero_copy_only=False)
    return values


def column(cells: Sequence[str | None]) -> Cells:
    """Texts as an Arrow array."""
    return cast(Cells, pa.array(cells, pa.string()))


def texts(column: Cells) -> list[str | None]:
    """The cells of a text column."""
    return cast("list[str | None]", column.to_pylist())


def as_text(column: Cells) -> Cells:
    """Cells of any type as texts."""
    return pc.cast(column, pa.string())


def trimmed(column: Cells, characters: str) -> Cells:
    """Texts without `characters` at both ends."""
    return cast(Cells, pc.ascii_trim(cast(pa.StringArray, column), characters=characters))


def unless_in(column: Cells, values: Cells) -> Cells:
    """Texts, null where they are among `values`."""
    return cast(Cells, pc.if_else(pc.is_in(column, value_set=values), pa.scalar(None, pa.string()), column))


def first_in(column: Cells, values: Cells) -> int:
    """The place of the first cell that is among `values`; one must be."""
    return int(np.argmax(pc.is_in(column, value_set=values).to_numpy(zero_copy_only=False)))


def lengths(column: Cells) -> NDArray[np.int64]:
    """Characters of each text, int64 [n]; nothing may be null."""
    return cast(Cells, pc.utf8_length(cast(pa.StringArray, column))).to_numpy(zero_copy_only=False).astype(np.int64)


def longest(column: Cells) -> tuple[int, int]:
    """The place and the bytes of the longest text; at least one must be there."""
    sizes = cast(Cells, pc.binary_length(cast(pa.StringArray, column))).fill_null(0).to_numpy(zero_copy_only=False)
    place = int(np.argmax(sizes))
    return place, int(sizes[place])


def counted(column: Cells) -> tuple[Cells, NDArray[np.int64]]:
    """The distinct cells, nulls aside, and how often each is there, int64 [distinct]."""
    found = pc.value_counts(column.drop_null())
    return found.field("values"), found.field("counts").to_numpy()


def matching(column: Cells, pattern: str) -> NDArray[np.bool_]:
    """Which texts the whole of `pattern` matches, bool [n]; nothing may be null."""
    found = pc.match_substring_regex(cast(pa.StringArray, column), pattern=f"^(?:{pattern})$")
    matched: NDArray[np.bool_] = cast(Cells, found).to_numpy(zero_copy_only=False)
    return matched


def whole(column: "pa.ChunkedArray[pa.Scalar[Any]]", type_: pa.DataType) -> Cells:
    """A column as one array."""
    if column.num_chunks == 1:
        return cast(Cells, column.chunk(0))
    if column.num_chunks == 0:
        return pa.array([], type_)
    return pa.concat_arrays(column.unify_dictionaries().chunks)

"""Arrow columns that carry a type, such as a Parquet file's: looks and parts."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.domain.data.cells import FLOAT32_MAX
from app.domain.data.schema import ColumnType
from app.ingest import arrow
from app.ingest.arrow import Cells
from app.ingest.convert import part
from app.ingest.faults import BadCell
from app.ingest.infer import look, numeric
from app.ingest.limits import Limits
from app.ingest.table import Field, Look, Part

_TYPES = pa.types


def is_readable(type_: pa.DataType) -> bool:
    """Whether columns of the Arrow type are read."""
    return _is_text(type_) or is_number(type_) or _TYPES.is_boolean(type_) or is_date(type_) or _TYPES.is_null(type_)


def _is_text(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.DictionaryType):
        return _is_text(type_.value_type)
    return bool(_TYPES.is_string(type_) or _TYPES.is_large_string(type_) or _TYPES.is_string_view(type_))


def is_number(type_: pa.DataType) -> bool:
    """Whether columns of the Arrow type hold numbers."""
    return bool(_TYPES.is_integer(type_) or _TYPES.is_floating(type_) or _TYPES.is_decimal(type_))


def is_date(type_: pa.DataType) -> bool:
    """Whether columns of the Arrow type hold days or moments."""
    return bool(_TYPES.is_date(type_) or _TYPES.is_timestamp(type_))


def typed_look(name: str, column: Cells, longest: int) -> Look:
    """A look at a typed column: text stays text, however its cells look."""
    present = len(column) - column.null_count
    if present == 0:
        return Look(name, ColumnType.CATEGORICAL, 0)
    if _TYPES.is_boolean(column.type):
        return Look(name, ColumnType.BOOLEAN, present, distinct=2, spellings=("false", "true"))
    if is_date(column.type):
        return Look(name, ColumnType.DATE, present)
    if is_number(column.type):
        return numeric(name, floats(column))
    seen = look(name, as_text(column), longest)
    if seen.type is ColumnType.CATEGORICAL:
        return seen
    texts, times = arrow.counted(as_text(column))
    return Look(
        name,
        ColumnType.CATEGORICAL,
        seen.present,
        distinct=len(texts),
        spellings=seen.spellings,
        characters=float(np.dot(arrow.lengths(texts), times) / times.sum()),
    )


def typed_part(column: Cells, field: Field, limits: Limits) -> Part:
    """A typed column as the field asks. Raises BadCell."""
    if field.type is ColumnType.NUMERIC and is_number(column.type):
        return checked(floats(column), field.name)
    if field.type is ColumnType.DATE and is_date(column.type):
        return seconds(column)
    if field.type is ColumnType.BOOLEAN and _TYPES.is_boolean(column.type):
        return arrow.floats(column)
    return part(as_text(column), field, limits.category_characters)


def floats(column: Cells) -> NDArray[np.float64]:
    """Numbers of any width as float64 [n], NaN where null."""
    # The nearest float64 is meant, for decimals and whole numbers beyond 2^53 alike.
    return arrow.floats(column, safe=False)


def seconds(column: Cells) -> NDArray[np.float64]:
    """Dates and timestamps of any unit as seconds since 1970 UTC, float64 [n], NaN where null."""
    if _TYPES.is_timestamp(column.type):
        ticks = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[column.type.unit]
        return arrow.floats(column.cast(pa.int64()), safe=False) / ticks
    if _TYPES.is_date32(column.type):
        return arrow.floats(column.cast(pa.int32())) * 86_400.0
    return arrow.floats(column.cast(pa.int64()), safe=False) / 1_000.0


def checked(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """The values, NaN meaning missing. Raises BadCell where one is infinite or beyond what float32 holds."""
    beyond = np.abs(values) > FLOAT32_MAX
    if beyond.any():
        index = int(np.argmax(beyond))
        raise BadCell(index, name, "a finite number with a magnitude up to 3.4e38", str(values[index]))
    return values


def as_text(column: Cells) -> Cells:
    """Any readable column as texts: whole numbers without a decimal point, booleans as `false` and `true`."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if _TYPES.is_floating(column.type) or _TYPES.is_decimal(column.type):
        return number_texts(floats(column))
    return arrow.as_text(column)


def number_texts(values: NDArray[np.float64]) -> Cells:
    """Numbers as texts: `1` for 1.0, the shortest decimal that reads back the same for others, null for NaN."""
    distinct, codes = np.unique(values, return_inverse=True)
    spelled = [
        None if np.isnan(value) else str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        for value in distinct.tolist()
    ]
    return arrow.column(spelled).take(codes.reshape(-1))

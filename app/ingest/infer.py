"""What type a column of text cells has, judged by the start of the file."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.domain.data import cells
from app.domain.data.schema import ColumnType
from app.errors import TooLarge
from app.ingest import arrow
from app.ingest.arrow import Cells
from app.ingest.convert import present
from app.ingest.table import Look

_MEANT = "|".join(
    (
        r"[+-]?[0-9]+,[0-9]+",  # a decimal comma
        r"[+-]?[0-9]{1,3}(?:[,_][0-9]{3})+(?:\.[0-9]+)?",  # thousands set apart
        r"[+-]?\p{Nd}+(?:\.\p{Nd}*)?",  # digits of other scripts
        r"(?i:[+-]?(?:inf|infinity|nan))",
    )
)
"""Cells that are no numbers here but are meant as such: they are named rather than taken for words."""
_ASKED_FIRST = 200
NUMERIC_SHARE = 0.9
"""Where this share of the present cells are numbers, the others are taken for mistakes, which are named."""


def look(name: str, column: Cells, longest: int) -> Look:
    """Judge a column by its cells. Raises TooLarge for a cell of more than `longest` bytes."""
    cell = present(column)
    count = len(cell) - cell.null_count
    if count == 0:
        return Look(name, ColumnType.CATEGORICAL, 0)
    row, size = arrow.longest(cell)
    if size > longest:
        raise TooLarge(f"Row {row + 1}, column '{name}': the cell has {size:,} bytes; {longest:,} are allowed.")
    # Arrow takes its time over texts that are no numbers: a few cells are asked first.
    if not arrow.matching(cell.slice(0, _ASKED_FIRST).drop_null(), cells.NUMBER).all():
        return _text(name, cell, count)
    try:
        parsed = arrow.floats(cell)
    except pa.ArrowInvalid:
        return _text(name, cell, count)
    return numeric(name, parsed, _codes_of(cell, parsed))


def numeric(name: str, values: NDArray[np.float64], padded: bool = False) -> Look:
    """A look at a column of numbers, float64 [n], NaN where missing; `padded`: such as `00123`, which are texts."""
    known = values[~np.isnan(values)]
    whole = bool(len(known)) and bool(np.all(np.trunc(known) == known))
    distinct = len(np.unique(known)) if whole else 0
    if padded:
        return Look(name, ColumnType.CATEGORICAL, len(known), distinct=distinct, characters=1.0)
    counting = whole and len(known) == len(values) and known[0] in (0, 1)
    sequence = counting and bool(np.all(np.diff(known) == 1))
    return Look(name, ColumnType.NUMERIC, len(known), distinct=distinct, whole=whole, sequence=sequence)


def _codes_of(cell: Cells, parsed: NDArray[np.float64]) -> bool:
    """Whether whole numbers are written with leading zeros, as codes and postal numbers are."""
    known = parsed[~np.isnan(parsed)]
    if not len(known) or not np.all(np.trunc(known) == known):
        return False
    return bool(arrow.matching(cell.drop_null().unique(), "0[0-9]+").any())


def _text(name: str, cell: Cells, count: int) -> Look:
    texts, times = arrow.counted(cell)
    are_numbers = arrow.matching(texts, cells.NUMBER)
    meant = are_numbers | arrow.matching(texts, _MEANT)
    if times[meant].sum() >= NUMERIC_SHARE * count:
        return Look(name, ColumnType.NUMERIC, count, odd=_odd(cell, texts.filter(pa.array(~are_numbers))))
    distinct = [text for text in arrow.texts(texts) if text is not None]
    spellings = boolean_spellings(distinct)
    if spellings:
        return Look(name, ColumnType.BOOLEAN, count, distinct=len(distinct), spellings=spellings)
    if _are_dates(distinct):
        return Look(name, ColumnType.DATE, count, distinct=len(distinct))
    characters = float(np.dot(arrow.lengths(texts), times) / count)
    return Look(name, ColumnType.CATEGORICAL, count, distinct=len(distinct), characters=characters)


def _odd(cell: Cells, texts: Cells) -> tuple[int, str]:
    row = arrow.first_in(cell, texts)
    return row, str(cell[row].as_py())


def boolean_spellings(texts: list[str]) -> tuple[str, ...]:
    """The two spellings, false first, where the texts are those of one pair and both are there; else none."""
    if len(texts) > 8:
        return ()
    lowered = {text.lower() for text in texts}
    for false, true in cells.BOOLEAN_PAIRS:
        if lowered == {false, true}:
            return tuple(next(text for text in texts if text.lower() == word) for word in (false, true))
    return ()


def _are_dates(texts: list[str]) -> bool:
    try:
        for text in texts:
            cells.parse_date(text)
    except ValueError:
        return False
    return True

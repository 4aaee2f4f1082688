"""Text cells, many at a time, by the rules of `app.domain.data.cells`."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.domain.data import cells
from app.domain.data.schema import ColumnType
from app.ingest import arrow
from app.ingest.arrow import Cells
from app.ingest.faults import BadCell
from app.ingest.table import Field, Part, Texts

MISSING = pa.array(sorted(cells.MISSING_SPELLINGS), pa.string())


def present(array: Cells) -> Cells:
    """The cells without blanks at their ends; null where they say "no value"."""
    return arrow.unless_in(arrow.trimmed(array, cells.BLANKS), MISSING)


def part(array: Cells, field: Field, longest: int) -> Part:
    """Text cells as the field's type asks. `longest`: most characters of a category. Raises BadCell."""
    if field.type is ColumnType.NUMERIC:
        return numbers(array, field.name)
    texts = dictionary(array)
    if field.type is ColumnType.CATEGORICAL:
        return _categories(texts, field.name, longest)
    if field.type is ColumnType.DATE:
        return _looked_up(texts, field.name, cells.parse_date, "a date")
    return booleans(texts, field)


def numbers(array: Cells, name: str) -> NDArray[np.float64]:
    """Text cells as float64 [n], NaN where missing. Agrees with `cells.parse_number`; raises BadCell."""
    cell = present(array)
    try:
        parsed = arrow.floats(cell)
    except pa.ArrowInvalid:
        raise _first_bad(cell, name) from None
    if not cells.are_numbers(parsed, cell.null_count):
        raise _first_bad(cell, name)
    return parsed


def _first_bad(cell: Cells, name: str) -> BadCell:
    for index, text in enumerate(arrow.texts(cell)):
        if text is None:
            continue
        try:
            cells.parse_number(text)
        except ValueError as error:
            beyond = str(error).startswith("beyond")
            return BadCell(index, name, "a magnitude up to 3.4e38" if beyond else "a number", text)
    return BadCell(0, name, "numbers", "cells of another kind")


def dictionary(array: Cells) -> Texts:
    """Text cells as codes into their distinct texts, stripped; None where missing."""
    encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    values = [
        None if text is None or cells.is_missing(text) else cells.stripped(text)
        for text in arrow.texts(encoded.dictionary)
    ]
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values.append(None)
    return Texts(indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), values)


def booleans(texts: Texts, field: Field) -> NDArray[np.float64]:
    """0 and 1, NaN where missing, by the field's two spellings in any case. Raises BadCell."""
    false, true = (spelling.lower() for spelling in field.spellings)

    def meaning(text: str) -> float:
        if text.lower() not in (false, true):
            raise ValueError
        return float(text.lower() == true)

    return _looked_up(texts, field.name, meaning, "true or false")


def _looked_up(texts: Texts, name: str, meaning: Callable[[str], float], expected: str) -> NDArray[np.float64]:
    table = np.full(len(texts.values), np.nan)
    for code, text in enumerate(texts.values):
        if text is not None:
            try:
                table[code] = meaning(text)
            except ValueError:
                raise BadCell(int(np.argmax(texts.codes == code)), name, expected, text) from None
    return table[texts.codes] if len(table) else np.zeros(0)


def _categories(texts: Texts, name: str, longest: int) -> Texts:
    for code, text in enumerate(texts.values):
        if text is not None and len(text) > longest:
            expected = f"a category of at most {longest:,} characters"
            raise BadCell(int(np.argmax(texts.codes == code)), name, expected, text)
    return texts

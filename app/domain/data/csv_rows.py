"""CSV text with a header row → a table of cells in feature order."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain.data.faults import refuse
from app.domain.data.pointers import pointer
from app.errors import InvalidRows, shown

SEPARATORS = (",", "\t", ";", "|")
_HEADER_CHARACTERS = 1 << 20
Cells = list[list[str | None]]


@dataclass(frozen=True, slots=True)
class Header:
    """The first row. `places` says where each column of the model stands in a row; None for one that is not there."""

    separator: str
    names: tuple[str, ...]
    places: tuple[int | None, ...]


def read_csv(text: str, names: tuple[str, ...], target: str) -> Cells:
    """Cells of the columns `names`, in their order; None throughout for a column that is not there.

    The column `target` may be there, and is passed over. Raises `InvalidRows` for a header without rows, for unknown
    or repeated columns, for none of `names`, for ragged rows, NUL characters and broken quotes.
    """
    text = text.removeprefix("\ufeff")
    _check_nul(text, 0)
    separator = separator_of(text, names)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = _header(next(reader, []), separator, names, target)
        rows = [_checked(row, header, reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise _broken(error, reader.line_num) from error
    if not rows:
        raise without_rows()
    return _picked(rows, header)


def read_block(text: str, header: Header, lines_before: int) -> Cells:
    """The same of rows that stand below `header` somewhere; there may be none. Lines are counted from the header's."""
    _check_nul(text, lines_before)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=header.separator, strict=True)
    try:
        rows = [_checked(row, header, lines_before + reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise _broken(error, lines_before + reader.line_num) from error
    return _picked(rows, header)


def separator_of(text: str, names: Collection[str]) -> str:
    """What separates the cells of `text`: the first of `SEPARATORS` by which its first row has one of `names`."""
    start = text[:_HEADER_CHARACTERS]
    for separator in SEPARATORS:
        try:
            row = next(csv.reader(io.StringIO(start, newline=""), delimiter=separator), [])
        except csv.Error:
            continue
        if not {name.strip() for name in row}.isdisjoint(names):
            return separator
    return SEPARATORS[0]


def read_header(text: str, separator: str, names: tuple[str, ...], target: str) -> Header:
    """The header that stands first in `text`. Raises `InvalidRows` as `read_csv` does."""
    _check_nul(text, 0)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return _header(next(reader, []), separator, names, target)
    except csv.Error as error:
        raise _broken(error, reader.line_num) from error


def _header(row: Sequence[str], separator: str, names: tuple[str, ...], target: str) -> Header:
    found = [name.strip() for name in row]
    check_names(found, names, target)
    return Header(separator, tuple(found), tuple(found.index(name) if name in found else None for name in names))


def check_names(found: Sequence[str], names: tuple[str, ...], target: str) -> None:
    """Raises `InvalidRows` unless the columns `found` are some of `names`, each once, and perhaps `target`."""
    for name, count in Counter(found).items():
        if count > 1:
            raise _wrong_column(name, "stands more than once in the header", "column_repeated")
        if name not in names and name != target:
            columns = ", ".join(shown(known, 40) for known in names[:20])
            raise _wrong_column(name, f"is no column of the model; its columns are {columns}", "column_unknown")
    if set(names).isdisjoint(found):
        raise refuse("the CSV has none of the model's columns in its header", "", ",".join(found))


def without_rows() -> InvalidRows:
    """The failure of a header that nothing stands below."""
    return refuse("the CSV has a header but no rows", "", None, code="instances_empty")


def _picked(rows: list[list[str]], header: Header) -> Cells:
    return [[None if place is None else row[place] for place in header.places] for row in rows]


def _checked(row: list[str], header: Header, line: int) -> list[str]:
    if len(row) != len(header.names):
        raise refuse(
            f"line {line} has {len(row)} cells; the header has {len(header.names)}",
            "",
            f"{len(row)} cells",
            code="row_width_mismatch",
        )
    return row


def _check_nul(text: str, lines_before: int) -> None:
    if "\0" in text:
        line = lines_before + text.count("\n", 0, text.index("\0")) + 1
        raise refuse(f"line {line} holds a NUL character; this is no text", "", None, code="csv_invalid")


def _broken(error: csv.Error, line: int) -> InvalidRows:
    return refuse(f"line {line}: {error}", "", None, code="csv_invalid")


def _wrong_column(name: str, what: str, code: str) -> InvalidRows:
    return refuse(f"the column {shown(name)!r} {what}", pointer("columns", name), name, code=code)

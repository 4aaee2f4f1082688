"""CSV text with a header row → a table of cells in feature order."""

import csv
import io
from collections import Counter

from app.domain.data.faults import refuse
from app.domain.data.pointers import pointer
from app.errors import InvalidRows, shown


def read_csv(text: str, names: tuple[str, ...], target: str) -> list[list[str | None]]:
    """Cells of the columns `names`, in their order; None throughout for a column that is not there.

    The column `target` may be there, and is passed over. Raises `InvalidRows` for a header without rows, for unknown
    or repeated columns, for none of `names`, for ragged rows, NUL characters and broken quotes.
    """
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refuse(f"line {line} holds a NUL character; this is no text", "", None, code="csv_invalid")
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, names, target)
        rows = [_checked(row, header, reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise refuse(f"line {reader.line_num}: {error}", "", None, code="csv_invalid") from error
    if not rows:
        raise refuse("the CSV has a header but no rows", "", None, code="instances_empty")
    places = [header.index(name) if name in header else None for name in names]
    return [[None if place is None else row[place] for place in places] for row in rows]


def _check_header(header: list[str], names: tuple[str, ...], target: str) -> None:
    for name, count in Counter(header).items():
        if count > 1:
            raise _wrong_column(name, "stands more than once in the header", "column_repeated")
        if name not in names and name != target:
            columns = ", ".join(shown(known, 40) for known in names[:20])
            raise _wrong_column(name, f"is no column of the model; its columns are {columns}", "column_unknown")
    if not set(header) & set(names):
        raise refuse("the CSV has none of the model's columns in its header", "", ",".join(header))


def _checked(row: list[str], header: list[str], line: int) -> list[str]:
    if len(row) != len(header):
        raise refuse(
            f"line {line} has {len(row)} cells; the header has {len(header)}",
            "",
            f"{len(row)} cells",
            code="row_width_mismatch",
        )
    return row


def _wrong_column(name: str, what: str, code: str) -> InvalidRows:
    return refuse(f"the column {shown(name)!r} {what}", pointer("columns", name), name, code=code)

"""The first line of a CSV file: its separator and its column names."""

import csv
import io
from collections import Counter

from app.domain.data.csv_rows import SEPARATORS
from app.domain.data.schema import Warning
from app.errors import FieldError, InvalidDataset, TooLarge, shown
from app.ingest.faults import pointer
from app.ingest.limits import Limits

_SNIFFED_ROWS = 20
_SNIFFED_CHARACTERS = 1 << 18
_NAME_CHARACTERS = 300


def separator_of(start: str, preferred: str) -> str:
    """The separator by which the first rows of `start` have the same number of cells, more than one.

    Where none does, it is the one that splits the header most; `preferred` decides between equals.
    """
    order = sorted(SEPARATORS, key=lambda separator: separator != preferred)

    def score(separator: str) -> tuple[bool, int]:
        widths = [len(row) for row in _rows(start, separator)]
        header = widths[0] if widths else 0
        return header > 1 and set(widths) == {header}, header

    return max(order, key=score)


def _rows(start: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(start[:_SNIFFED_CHARACTERS], newline=""), delimiter=separator)
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows += [row] if row else []
            if len(rows) > _SNIFFED_ROWS:
                break
    except csv.Error:
        return rows
    # Where the text was cut, its last row may be half a row.
    return rows[:-1] if len(rows) > 1 and len(start) > _SNIFFED_CHARACTERS else rows


def names_of(line: str, separator: str, limits: Limits) -> tuple[list[str], list[Warning]]:
    """Column names of the header record `line`. An unnamed first column keeps the name "" and brings a warning.

    Raises InvalidDataset for names that are empty or given twice, TooLarge for too many columns.
    """
    if line.count(separator) > limits.columns * 4:
        raise TooLarge(f"The header has more than {limits.columns:,} columns.")
    rows = [row for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator) if row]
    names = [name.strip() for name in rows[0]] if rows else []
    if len(names) > limits.columns:
        raise TooLarge(f"The header has {len(names):,} columns; a dataset may have {limits.columns:,}.")
    if len(names) < 2:
        raise InvalidDataset(
            f"The header has one column, {shown(line.strip())}; a dataset needs a feature and a target at least, "
            "separated by a comma, tab, semicolon or bar."
        )
    warnings = []
    if names[0] == "" and len(names) > 2:
        message = "The first column has no name, as a written-out row index has none, and was left out."
        warnings.append(Warning(code="index_left_out", message=message))
    check_names(names[len(warnings) :], len(warnings))
    return names, warnings


def check_names(names: list[str], offset: int = 0) -> None:
    """Raise InvalidDataset where a name is empty, too long or given twice; columns are counted from 1 + `offset`."""
    faults = []
    for place, name in enumerate(names, offset + 1):
        if not name:
            faults.append(FieldError(pointer("columns"), f"column {place} has no name", ""))
        elif len(name) > _NAME_CHARACTERS:
            faults.append(FieldError(pointer("columns"), f"column {place}'s name is too long", shown(name)))
    faults += [
        FieldError(pointer("columns", name), f"{times} columns have this name", shown(name))
        for name, times in Counter(names).items()
        if times > 1 and name
    ]
    if faults:
        said = "; ".join(f"'{fault.received}': {fault.message}" for fault in faults[:5])
        raise InvalidDataset(f"The header needs one name for each column. {said}.", errors=tuple(faults[:20]))

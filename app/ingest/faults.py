"""Saying what is wrong with a file: the row, the column, what was expected and what was received.

Row 1 is the first row of data, below the header.
"""

from app.errors import FieldError, InvalidDataset, shown


class BadCell(Exception):
    """A cell that does not fit its column's type; `index` counts from 0 within the block that holds it."""

    def __init__(self, index: int, column: str, expected: str, received: str) -> None:
        super().__init__(index, column, expected, received)
        self.index = index
        self.column = column
        self.expected = expected
        self.received = received

    def at(self, rows_before: int) -> InvalidDataset:
        """The failure that names the cell, `rows_before` rows standing before its block."""
        return cell_fault(rows_before + self.index + 1, self.column, self.expected, self.received)


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) to `parts`."""
    return "".join("/" + shown(str(part), 200).replace("~", "~0").replace("/", "~1") for part in parts)


def cell_fault(row: int, column: str, expected: str, received: str) -> InvalidDataset:
    """A failure about one cell."""
    name, cell = shown(column), shown(received)
    advice = f'If the column holds categories, say so: columns={{"{name}": {{"type": "categorical"}}}}.'
    hint = f" {advice}" if expected in ("a number", "a date", "true or false") else ""
    return InvalidDataset(
        f"Row {row}, column '{name}': expected {expected}, received '{cell}'.{hint}",
        errors=(FieldError(pointer("rows", row, column), f"expected {expected}", cell),),
    )


def row_fault(row: int, expected: str, received: str) -> InvalidDataset:
    """A failure about a whole row."""
    return InvalidDataset(
        f"Row {row}: expected {expected}, received {shown(received)}.",
        errors=(FieldError(pointer("rows", row), f"expected {expected}", shown(received)),),
    )


def column_fault(column: str, message: str) -> InvalidDataset:
    """A failure about what was asked of one column."""
    return InvalidDataset(
        f"Column '{shown(column)}': {message}.", errors=(FieldError(pointer("columns", column), message),)
    )

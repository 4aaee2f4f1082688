"""Rows sent in a request's body: a JSON list of objects, whose values are read as the cells of a CSV file are."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from app.domain.data.schema import DatasetSchema, ReadRequest, Warning
from app.errors import InvalidDataset, TooLarge
from app.ingest import arrow
from app.ingest.assemble import stored
from app.ingest.convert import part
from app.ingest.faults import BadCell, cell_fault, row_fault
from app.ingest.header import check_names
from app.ingest.infer import look
from app.ingest.limits import Limits
from app.ingest.table import Field, Look, Part


def read_rows(source: Path, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read inline rows into `output`. Raises InvalidDataset and TooLarge."""
    if source.stat().st_size > limits.inline_bytes:
        raise TooLarge(f"Inline rows may take {limits.inline_bytes >> 20} MB; send a file instead.")
    return stored(InlineTable(_parsed(source.read_bytes()), limits), output, request, limits)


class InlineTable:
    """Rows as objects of texts; a name that a row lacks is missing there. Columns come in order of appearance."""

    def __init__(self, rows: list[dict[str, str]], limits: Limits) -> None:
        if len(rows) < 2:
            raise InvalidDataset(f"At least two rows are needed; received {len(rows)}.")
        self.names: Sequence[str] = list(dict.fromkeys(name for row in rows for name in row))
        if len(self.names) > limits.columns:
            raise TooLarge(f"The rows have {len(self.names):,} columns; a dataset may have {limits.columns:,}.")
        if len(self.names) < 2:
            raise InvalidDataset("The rows have fewer than two columns; a feature and a target are needed at least.")
        check_names(list(self.names))
        self.warnings: Sequence[Warning] = ()
        self._limits = limits
        self._columns = {name: arrow.column([row.get(name) for row in rows]) for name in self.names}

    def looks(self) -> list[Look]:
        """Judge every column by all of its cells."""
        return [look(name, column, self._limits.cell_bytes) for name, column in self._columns.items()]

    def parts(self, fields: Sequence[Field]) -> Iterator[list[Part]]:
        """All rows, in one block."""
        try:
            yield [part(self._columns[field.name], field, self._limits.category_characters) for field in fields]
        except BadCell as error:
            raise error.at(0) from None


def _parsed(data: bytes) -> list[dict[str, str]]:
    try:
        # Numbers keep their spelling: a class label is the text that was sent.
        rows: object = json.loads(
            data, parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_once
        )
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _BadJson) else "broken or too deeply nested"
        raise InvalidDataset(f"The rows are not valid JSON: {reason}.") from None
    if not isinstance(rows, list):
        raise InvalidDataset("The rows must be a list of objects.")
    return [_row(number, row) for number, row in enumerate(rows, 1)]


class _BadJson(ValueError):
    """JSON that Python would read and that says nothing definite."""


def _no_constant(name: str) -> NoReturn:
    raise _BadJson(f"{name} is not a JSON number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _BadJson("a name stands twice in one object")
    return found


def _row(number: int, row: object) -> dict[str, str]:
    if not isinstance(row, dict):
        raise row_fault(number, "an object of names and values", _said(row))
    return {_text(number, name, name): _cell(number, name, value) for name, value in row.items()}


def _cell(number: int, name: str, value: object) -> str:
    """The value as a CSV file would spell it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(number, name, value)
    raise cell_fault(number, name, "a text, number, boolean or null", _said(value))


def _text(number: int, name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise cell_fault(number, ascii(name), "valid Unicode", ascii(text)) from None
    return text


def _said(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else f"{value}"

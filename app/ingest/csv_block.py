"""One block of CSV records to columns: fast where every cell is as expected, slow and exact where one is not."""

import io
import re
from collections.abc import Sequence
from contextlib import suppress
from csv import reader as rows
from typing import Literal

import pyarrow as pa
from pyarrow import csv

from app.domain.data import cells
from app.domain.data.schema import ColumnType
from app.errors import DropnormError
from app.ingest import arrow
from app.ingest.arrow import Cells
from app.ingest.convert import part
from app.ingest.faults import BadCell, row_fault
from app.ingest.table import Field, Part

_STRING: pa.DataType = pa.string()
_NUMBER: pa.DataType = pa.float64()
_TEXT: pa.DataType = pa.dictionary(pa.int32(), pa.string())
_PADS = (("", ""), (" ", ""), ("", " "), (" ", " "))
_MISSING = [before + spelling + after for spelling in sorted(cells.MISSING_SPELLINGS) for before, after in _PADS]
_TYPE = re.compile(r"In CSV column|conversion error", re.IGNORECASE)


class CsvReader:
    """Reads blocks of records of one file: `names` in the file's order, split at `separator`."""

    def __init__(self, names: Sequence[str], separator: str, longest: int) -> None:
        # Arrow is given places for names: a name in the file may be anything.
        self._places = {name: str(place) for place, name in enumerate(names)}
        self._separator = separator
        self._longest = longest

    def texts(self, data: bytes, names: Sequence[str]) -> dict[str, Cells]:
        """The cells of the columns `names` as texts. Raises pyarrow.ArrowInvalid for ragged rows and bad UTF-8."""
        table = self._parsed(data, dict.fromkeys(names, _STRING))
        return {name: arrow.whole(table.column(self._places[name]), pa.string()) for name in names}

    def parts(self, data: bytes, fields: Sequence[Field]) -> list[Part]:
        """The columns of `fields`. Raises BadCell for a cell of another type, ArrowInvalid as `texts` does."""
        types: dict[str, pa.DataType] = {
            field.name: pa.float64() if field.type is ColumnType.NUMERIC else _TEXT for field in fields
        }
        try:
            table = self._parsed(data, types)
        except pa.ArrowInvalid as error:
            # Unusual blanks around a number, or a cell that is none: by the rules for one cell, then.
            if _TYPE.search(str(error)) is None:
                raise
            return self._exactly(data, fields)
        parts: list[Part] = []
        for field in fields:
            column = arrow.whole(table.column(self._places[field.name]), types[field.name])
            if field.type is not ColumnType.NUMERIC:
                parts.append(part(column, field, self._longest))
                continue
            values = arrow.floats(column)
            if not cells.are_numbers(values, column.null_count):
                return self._exactly(data, fields)
            parts.append(values)
        return parts

    def _exactly(self, data: bytes, fields: Sequence[Field]) -> list[Part]:
        texts = self.texts(data, [field.name for field in fields])
        return [part(texts[field.name], field, self._longest) for field in fields]

    def _parsed(self, data: bytes, types: dict[str, pa.DataType]) -> pa.Table:
        return csv.read_csv(
            io.BytesIO(data),
            # One block, one thread: blocks run side by side, and no record straddles anything.
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(self._places.values())),
            csv.ParseOptions(delimiter=self._separator, newlines_in_values=True),
            csv.ConvertOptions(
                column_types={self._places[name]: type_ for name, type_ in types.items()},
                include_columns=[self._places[name] for name in types],
                null_values=_MISSING,
                strings_can_be_null=False,
            ),
        )

    def fault(self, data: bytes, error: Exception, rows_before: int) -> DropnormError:
        """What was wrong with a block that could not be read, naming the row."""
        if isinstance(error, BadCell):
            return error.at(rows_before)
        try:
            data.decode()
        except UnicodeDecodeError as bad:
            row = rows_before + self.row_of(data, bad.start)
            return row_fault(row, "text in UTF-8", f"the byte 0x{data[bad.start]:02x}")
        ragged = self._ragged(data)
        if ragged is not None:
            row, width, line = ragged
            expected = f"{len(self._places)} cells"
            return row_fault(rows_before + row, expected, f"{width}: {line}")
        return row_fault(rows_before + 1, "readable rows from here on", str(error))

    def _ragged(self, data: bytes) -> tuple[int, int, str] | None:
        found: list[csv.InvalidRow] = []

        def note(row: csv.InvalidRow) -> Literal["skip", "error"]:
            found.append(row)
            return "error"

        with suppress(pa.ArrowInvalid):
            csv.read_csv(
                io.BytesIO(data),
                csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(self._places.values())),
                csv.ParseOptions(delimiter=self._separator, newlines_in_values=True, invalid_row_handler=note),
            )
        if not found:
            return None
        return int(found[0].number or 1), found[0].actual_columns, found[0].text

    def row_of(self, data: bytes, at: int) -> int:
        """The row, from 1, in which byte `at` of `data` stands."""
        start = data[:at].decode(errors="replace") + "x"
        return sum(1 for row in rows(io.StringIO(start, newline=""), delimiter=self._separator) if row)

"""One block of CSV rows → raw rows: many cells at a time where every cell is sure, one by one where one is not."""

import io
import re
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
from pyarrow import csv

from app.bulk.cells import NotRead, Numbers, RawColumns, Texts
from app.domain.data import cells
from app.domain.data.csv_rows import Header
from app.domain.data.preprocessing import NumericFeature, Preprocessing
from app.domain.data.raw import RawRows
from app.domain.data.rows import RowReader

Cells: TypeAlias = "pa.Array[pa.Scalar[Any]]"
"""As `app.ingest.arrow` has it, whose library of functions takes as long to start as all else here."""
_NUMBER: pa.DataType = pa.float64()
_TEXT: pa.DataType = pa.dictionary(pa.int32(), pa.string())
_PADS = (("", ""), (" ", ""), ("", " "), (" ", " "))
_MISSING = [before + spelling + after for spelling in sorted(cells.MISSING_SPELLINGS) for before, after in _PADS]
_COLUMN = re.compile(r"In CSV column #(\d+)")
_AROUND = b'\r\n"'


class _Unsure(Exception):
    """Rows that are to be read one by one."""


class BlockReader:
    """Reads blocks of rows below `header`, as `RowReader.of_csv` reads whole texts: its answers, and its refusals."""

    def __init__(self, preprocessing: Preprocessing, header: Header, rows: RowReader) -> None:
        self._header, self._rows, self._columns = header, rows, RawColumns(preprocessing)
        places = {
            feature.name: place
            for feature, place in zip(preprocessing.features, header.places, strict=True)
            if place is not None
        }
        # Arrow is given places for names: a name in the file may be anything.
        self._places = {name: str(place) for name, place in places.items()}
        self._names = {place: name for name, place in places.items()}
        self._numeric = {
            feature.name
            for feature in preprocessing.features
            if isinstance(feature, NumericFeature) and feature.name in places
        }

    def read(self, data: bytes, rows_before: int, lines_before: int) -> RawRows:
        """Raw rows of `data`, UTF-8. Raises `InvalidRows` for what cannot be read, by its row and column."""
        try:
            if b"\0" not in data and (b'"' not in data or _is_quoted_plainly(data, self._header.separator.encode())):
                return self._together(data)
        except (_Unsure, NotRead):
            # What it is that is wrong, and where, is told by who reads one row after the other.
            pass
        return self._rows.of_csv_block(data.decode(), self._header, rows_before, lines_before)

    def _together(self, data: bytes) -> RawRows:
        table = self._parsed(data)
        numbers: dict[str, Numbers] = {}
        texts: dict[str, Texts] = {}
        for name, place in self._places.items() if table.num_rows else ():
            column = cast(Cells, table.column(place).chunk(0))
            if isinstance(column, pa.DictionaryArray):
                texts[name] = Texts(column.indices.to_numpy(), column.dictionary.to_pylist())
                continue
            numbers[name] = column.to_numpy(zero_copy_only=False)
            if not cells.are_numbers(numbers[name], column.null_count):
                self._numeric.discard(name)
                return self._together(data)
        return self._columns.raw(table.num_rows, numbers, texts)

    def _parsed(self, data: bytes) -> pa.Table:
        """Raises `_Unsure` for ragged rows, and for whatever else Arrow does not take."""
        while True:
            try:
                return self._parsed_once(data)
            except pa.ArrowInvalid as error:
                found = _COLUMN.search(str(error))
                name = self._names.get(int(found[1])) if found else None
                if name not in self._numeric:
                    raise _Unsure from None
                # Unusual spellings, or none of a number: from now on by the rules for one cell.
                self._numeric.discard(name)

    def _parsed_once(self, data: bytes) -> pa.Table:
        return csv.read_csv(
            io.BytesIO(data),
            csv.ReadOptions(
                use_threads=False,
                # One block, so that a column is one array.
                block_size=len(data) + 1,
                column_names=[str(place) for place in range(len(self._header.names))],
            ),
            csv.ParseOptions(delimiter=self._header.separator, newlines_in_values=b'"' in data),
            csv.ConvertOptions(
                column_types={
                    place: _NUMBER if name in self._numeric else _TEXT for name, place in self._places.items()
                },
                include_columns=list(self._places.values()),
                null_values=_MISSING,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )


def _is_quoted_plainly(data: bytes, separator: bytes) -> bool:
    """Whether every quoted cell is quoted as a whole, so that all readers of CSV take it for the same."""
    characters = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(characters == ord('"'))
    if len(quotes) % 2:
        return False
    around = np.frombuffer(separator + _AROUND, np.uint8)
    before = characters[quotes[::2][quotes[::2] > 0] - 1]
    after = characters[quotes[1::2][quotes[1::2] < len(data) - 1] + 1]
    return bool(np.isin(before, around).all() and np.isin(after, around).all())

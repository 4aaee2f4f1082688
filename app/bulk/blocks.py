"""A stream of CSV → blocks of raw rows. No more than two blocks lie in memory at once."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from app.bulk.csv_block import BlockReader
from app.domain.data.csv_rows import read_header, separator_of, without_rows
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import RawRows
from app.domain.data.rows import RowReader
from app.errors import InvalidDataset, Malformed, TooLarge
from app.ingest.limits import Limits
from app.ingest.records import blocks, header_end
from app.ingest.streams import Read

BLOCK_BYTES = 1 << 20
"""No row may be longer, nor the header."""


@dataclass(frozen=True, slots=True)
class RawBlock:
    """Some rows more, and how many bytes of the input are read with them."""

    raw: RawRows
    read_bytes: int


def csv_blocks(
    read: Read, preprocessing: Preprocessing, rows: RowReader, block_bytes: int = BLOCK_BYTES
) -> Iterator[RawBlock]:
    """All rows that `read` gives, as `RowReader.of_csv` would read them in one piece.

    Raises `InvalidRows` as it does, `Malformed` for what is not UTF-8, `TooLarge` for a row longer than `block_bytes`.
    """
    start = read(block_bytes)
    marked = len(start)
    start = start.removeprefix(codecs.BOM_UTF8)
    offset = marked - len(start)
    text = _decoded(start, 0, cut=marked == block_bytes)
    separator = separator_of(text, rows.names)
    try:
        end, ending = header_end(start, separator.encode(), Limits())
    except InvalidDataset:
        if marked < block_bytes:
            # It is all there is: that there is no row is told by who reads whole texts.
            yield RawBlock(rows.of_csv(text), marked)
            return
        raise TooLarge(f"the header is longer than {block_bytes} bytes", code="header_too_large") from None
    header = read_header(start[:end].decode(), separator, rows.names, rows.target)
    reader = BlockReader(preprocessing, header, rows)
    row_count, line_count, byte_count = 0, _lines(start[:end]), end
    for block in blocks(read, separator.encode(), ending, block_bytes, start[end:]):
        if block.broken and len(block.data) >= block_bytes:
            why = "or a quote in it is never closed" if block.broken == "open quote" else "and none may be"
            raise TooLarge(f"row {row_count} is longer than {block_bytes} bytes, {why}", code="row_too_large")
        _decoded(block.data, byte_count)
        raw = reader.read(block.data, row_count, line_count)
        row_count += len(raw)
        line_count += _lines(block.data)
        byte_count += len(block.data)
        if len(raw):
            yield RawBlock(raw, offset + byte_count)
    if not row_count:
        raise without_rows()


def _decoded(data: bytes, bytes_before: int, *, cut: bool = False) -> str:
    """Text in UTF-8; where it was `cut`, its last character may be a part of one."""
    try:
        decoder = codecs.getincrementaldecoder("utf-8")()
        return decoder.decode(data, final=not cut)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {bytes_before + error.start} is wrong") from None


def _lines(data: bytes) -> int:
    ends = data.count(b"\n")
    return ends + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else ends

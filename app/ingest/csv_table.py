"""A CSV file as a table: blocks are read side by side, and put together in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

import pyarrow as pa

from app.errors import InvalidDataset, TooLarge, shown
from app.ingest.arrow import Cells
from app.ingest.csv_block import CsvReader
from app.ingest.faults import BadCell, row_fault
from app.ingest.header import names_of, separator_of
from app.ingest.infer import look
from app.ingest.limits import BLOCK_BYTES, SAMPLE_BYTES, Limits
from app.ingest.records import Block, blocks, header_end
from app.ingest.streams import Read
from app.ingest.table import Field, Look, Part, rows_of

T = TypeVar("T")
_THREADS = min(4, os.cpu_count() or 1)


class CsvTable:
    """Rows of the text that `read` gives. Raises InvalidDataset for whatever cannot be one table."""

    def __init__(self, read: Read, preferred: str, limits: Limits) -> None:
        start = read(limits.header_bytes).lstrip(b"\r\n")
        text = start.decode(errors="replace")
        self._separator = separator_of(text, preferred)
        separator = self._separator.encode()
        end, ending = header_end(start, separator, limits)
        names, self.warnings = names_of(_decoded(start[:end]), self._separator, limits)
        self.names: Sequence[str] = names[len(self.warnings) :]
        self._reader = CsvReader(names, self._separator, limits.category_characters)
        self._limits = limits
        self._blocks: Iterator[Block] = blocks(read, separator, ending, BLOCK_BYTES, start[end:])

    def looks(self) -> list[Look]:
        """Judge the columns by the first blocks, which `parts` then gives again."""
        sample: list[Block] = []
        while sum(len(block.data) for block in sample) < SAMPLE_BYTES and (block := next(self._blocks, None)):
            sample.append(block)
        self._blocks = chain(sample, self._blocks)
        texts = list(self._in_order(iter(sample), self._texts, _rows_of_texts))
        if sum(_rows_of_texts(columns) for columns in texts) < 2:
            raise InvalidDataset("The file has fewer than two rows of data below its header.")
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(lambda name: self._look(name, [columns.pop(name) for columns in texts]), self.names))

    def parts(self, fields: Sequence[Field]) -> Iterator[list[Part]]:
        """Every block, sample included."""
        return self._in_order(self._blocks, lambda block: self._reader.parts(block.data, fields), _rows_of_parts)

    def _texts(self, block: Block) -> dict[str, Cells]:
        return self._reader.texts(block.data, self.names)

    def _look(self, name: str, arrays: list[Cells]) -> Look:
        return look(name, pa.concat_arrays(arrays), self._limits.cell_bytes)

    def _in_order(self, source: Iterator[Block], work: Callable[[Block], T], rows: Callable[[T], int]) -> Iterator[T]:
        """`work` on each block in threads, a few ahead; what fails is named by its row in the file."""
        before = 0
        waiting: deque[tuple[Block, Future[T]]] = deque()
        with ThreadPoolExecutor(_THREADS) as pool:
            for block in source:
                waiting.append((block, pool.submit(self._checked, work, block)))
                if len(waiting) > _THREADS:
                    done = self._result(*waiting.popleft(), before)
                    before += rows(done)
                    yield done
            while waiting:
                done = self._result(*waiting.popleft(), before)
                before += rows(done)
                yield done

    @staticmethod
    def _checked(work: Callable[[Block], T], block: Block) -> T:
        if block.broken or b"\0" in block.data:
            raise _Broken
        return work(block)

    def _result(self, block: Block, future: Future[T], before: int) -> T:
        try:
            return future.result()
        except _Broken:
            raise self._broken(block, before) from None
        except (BadCell, pa.ArrowInvalid) as error:
            raise self._reader.fault(block.data, error, before) from None

    def _broken(self, block: Block, before: int) -> InvalidDataset | TooLarge:
        if b"\0" in block.data:
            row = before + self._reader.row_of(block.data, block.data.index(b"\0"))
            return row_fault(row, "text", "a NUL byte")
        if block.broken == "open quote":
            return row_fault(before + 1, "a quote that is closed again", _start(block.data))
        return TooLarge(f"Row {before + 1} is longer than {BLOCK_BYTES:,} bytes: {_start(block.data)}")


class _Broken(Exception):
    """A block that is not records."""


def _start(data: bytes) -> str:
    return shown(data[:80].decode(errors="replace").splitlines()[0])


def _rows_of_texts(texts: dict[str, Cells]) -> int:
    return len(next(iter(texts.values())))


def _rows_of_parts(parts: list[Part]) -> int:
    return rows_of(parts[0])


def _decoded(header: bytes) -> str:
    if b"\0" in header:
        advice = "write it as UTF-8, or as UTF-16 with a byte order mark"
        raise InvalidDataset(f"There is a NUL byte in the header: this is no text, or {advice}.")
    try:
        return header.decode()
    except UnicodeDecodeError as error:
        raise InvalidDataset(
            f"The header is not UTF-8: byte {error.start + 1} is 0x{header[error.start]:02x}."
        ) from None

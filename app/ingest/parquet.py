"""A Parquet file as a table: typed by its schema, read row group by row group."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from app.domain.data.schema import DatasetSchema, ReadRequest, Warning
from app.errors import InvalidDataset, TooLarge, shown
from app.ingest.assemble import stored
from app.ingest.faults import BadCell, column_fault
from app.ingest.header import check_names
from app.ingest.limits import SAMPLE_ROWS, Limits
from app.ingest.table import Field, Look, Part
from app.ingest.typed import is_readable, typed_look, typed_part

_MAGIC = b"PAR1"
_FOOTER_BYTES = 64 << 20
_BATCH_CELLS = 1 << 20


def read_parquet(source: Path, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read a Parquet file into `output`. Raises InvalidDataset and TooLarge."""
    check_footer(source)
    with told_of_damage(), pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20) as file:
        return stored(ParquetTable(file, request, limits), output, request, limits)


@contextmanager
def told_of_damage() -> Iterator[None]:
    """Around reading a file: what Arrow says of a damaged one becomes InvalidDataset."""
    try:
        yield
    except MemoryError:
        # One of Arrow's own exceptions too, and no sign of damage.
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InvalidDataset(f"The Parquet file is damaged or not supported: {shown(_sentence(error))}.") from None
    except OSError as error:
        if error.errno:
            raise
        # Arrow raises OSError without a number for files whose parts contradict one another.
        raise InvalidDataset("The Parquet file is damaged.") from None


class ParquetTable:
    """Columns of a Parquet file. Those of types that say nothing to a network are refused by name."""

    def __init__(self, file: pq.ParquetFile, request: ReadRequest, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        schema = file.schema_arrow
        check_size(file.metadata, limits)
        check_names(list(schema.names))
        ignored = {name for name, asked in request.columns.items() if asked.role == "ignore"}
        for field in schema:
            if field.name not in ignored and not is_readable(field.type):
                raise column_fault(field.name, f"its type {shown(str(field.type))} is not read; ignore the column")
        self.names: Sequence[str] = list(schema.names)
        self.warnings: Sequence[Warning] = ()
        self._readable = [field.name for field in schema if field.name not in ignored]

    def looks(self) -> list[Look]:
        """Judge the columns by the first rows."""
        batches: list[pa.RecordBatch] = []
        for batch in self._batches(self._readable):
            batches.append(batch)
            if sum(len(batch) for batch in batches) >= SAMPLE_ROWS:
                break
        if sum(len(batch) for batch in batches) < 2:
            raise InvalidDataset("The file has fewer than two rows.")
        sample = pa.Table.from_batches(batches)
        return [
            typed_look(name, sample.column(name).unify_dictionaries().combine_chunks(), self._limits.cell_bytes)
            for name in self._readable
        ]

    def parts(self, fields: Sequence[Field]) -> Iterator[list[Part]]:
        """Every batch of rows."""
        before = 0
        for batch in self._batches([field.name for field in fields]):
            try:
                yield [typed_part(batch.column(field.name), field, self._limits) for field in fields]
            except BadCell as error:
                raise error.at(before) from None
            before += len(batch)

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        # The file's schema has unique names, but Arrow takes dots in them for paths: places are safe.
        rows = max(1, _BATCH_CELLS // max(1, len(names)))
        for group in range(self._file.num_row_groups):
            yield from self._file.iter_batches(rows, row_groups=[group], columns=names)


def check_footer(source: Path) -> None:
    """Raise InvalidDataset where the file's own account of its length is not true."""
    size = source.stat().st_size
    with source.open("rb") as file:
        file.seek(max(0, size - 8))
        end = file.read()
    if size < 12 or end[4:] != _MAGIC:
        raise InvalidDataset("The Parquet file is truncated.")
    (length,) = struct.unpack_from("<I", end)
    if length > size - 12:
        raise InvalidDataset("The Parquet file is damaged: its footer is longer than the file.")
    if length > _FOOTER_BYTES:
        raise TooLarge(f"The Parquet file's footer is larger than {_FOOTER_BYTES >> 20} MB.")


def check_size(metadata: pq.FileMetaData, limits: Limits) -> None:
    """Raise TooLarge for more rows, columns or bytes than one dataset may have."""
    if metadata.num_rows > limits.rows:
        raise TooLarge(f"The file has {metadata.num_rows:,} rows; a dataset may have {limits.rows:,}.")
    if metadata.num_columns > limits.columns:
        raise TooLarge(f"The file has {metadata.num_columns:,} columns; a dataset may have {limits.columns:,}.")
    sizes = [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]
    if sum(sizes) > limits.inflated_bytes:
        raise TooLarge(f"The file unpacks to more than {limits.inflated_bytes >> 20:,} MB.")
    if any(size < 0 for size in sizes) or metadata.num_rows < 0:
        raise InvalidDataset("The Parquet file is damaged: it declares negative sizes.")


def _sentence(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else "it cannot be read"

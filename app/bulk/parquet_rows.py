"""A Parquet file → blocks of raw rows, row group by row group. Cells mean what they mean when a dataset is read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from app.bulk.blocks import RawBlock
from app.bulk.cells import NotRead, Numbers, RawColumns, Texts
from app.domain.data.cells import FLOAT32_MAX
from app.domain.data.csv_rows import check_names
from app.domain.data.faults import refuse
from app.domain.data.pointers import pointer
from app.domain.data.preprocessing import BooleanFeature, DateFeature, Feature, NumericFeature, Preprocessing
from app.domain.data.raw import RawRows
from app.domain.data.rows import RowReader
from app.errors import InvalidDataset, InvalidRows, shown
from app.ingest import arrow, typed
from app.ingest.arrow import Cells
from app.ingest.limits import Limits
from app.ingest.parquet import check_footer, check_size, told_of_damage

_BLOCK_CELLS = 1 << 18


def parquet_blocks(path: Path, preprocessing: Preprocessing, rows: RowReader) -> Iterator[RawBlock]:
    """All rows of a file. Raises `InvalidRows`, naming row and column, and `TooLarge`."""
    try:
        check_footer(path)
        with told_of_damage(), pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            check_size(file.metadata, Limits())
            yield from _blocks(file, path.stat().st_size, preprocessing, rows)
    except InvalidDataset as error:
        raise InvalidRows(error.detail, code="parquet_invalid", errors=error.errors) from error


def _blocks(file: pq.ParquetFile, size: int, preprocessing: Preprocessing, rows: RowReader) -> Iterator[RawBlock]:
    names = list(file.schema_arrow.names)
    check_names(names, rows.names, rows.target)
    features = [feature for feature in preprocessing.features if feature.name in names]
    for feature in features:
        type_ = file.schema_arrow.field(feature.name).type
        if not typed.is_readable(type_):
            where = pointer("columns", feature.name)
            raise refuse(f"the column {shown(feature.name)!r} has the type {shown(str(type_))}", where, str(type_))
    columns, before = RawColumns(preprocessing), 0
    for batch in _batches(file, [feature.name for feature in features]):
        try:
            raw = _raw(batch, features, columns)
        except NotRead as error:
            error.raise_at(before)
        before += len(raw)
        if len(raw):
            yield RawBlock(raw, size)
    if not before:
        raise refuse("the Parquet file has no rows", "", None, code="instances_empty")


def _batches(file: pq.ParquetFile, names: list[str]) -> Iterator[pa.RecordBatch]:
    rows = max(1, _BLOCK_CELLS // len(names))
    for group in range(file.num_row_groups):
        yield from file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)


def _raw(batch: pa.RecordBatch, features: list[Feature], columns: RawColumns) -> RawRows:
    """Columns of their feature's own type are taken as numbers, the others as texts. Raises `NotRead`."""
    numbers: dict[str, Numbers] = {}
    texts: dict[str, Texts] = {}
    for feature in features:
        column: Cells = batch.column(feature.name)
        values = _numbers(feature, column)
        if values is None:
            distinct = typed.as_text(column).dictionary_encode("encode")
            assert isinstance(distinct, pa.DictionaryArray)
            texts[feature.name] = Texts(distinct.indices.to_numpy(), arrow.texts(distinct.dictionary))
        else:
            numbers[feature.name] = values
    return columns.raw(len(batch), numbers, texts)


def _numbers(feature: Feature, column: Cells) -> Numbers | None:
    if isinstance(feature, NumericFeature) and typed.is_number(column.type):
        values = typed.floats(column)
        if (np.abs(values) > FLOAT32_MAX).any():
            place = int(np.argmax(np.abs(values) > FLOAT32_MAX))
            raise NotRead(feature.name, place, str(values[place]), "must be finite and within ±3.4e38 (float32)")
        return values
    if isinstance(feature, DateFeature) and typed.is_date(column.type):
        return typed.seconds(column)
    if isinstance(feature, BooleanFeature) and pa.types.is_boolean(column.type):
        return arrow.floats(column)
    return None

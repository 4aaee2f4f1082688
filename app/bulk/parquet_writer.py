"""Answers → a Parquet file, row group after row group."""

from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from app.ingest.arrow import Cells
from app.serving.csv_answers import columns_of
from app.serving.printing import Values

GROUP_VALUES = 1 << 20
"""A row group has about so many values."""


class ParquetWriter:
    """The same columns: `label` as a dictionary of texts, all else float32; null for what `top` leaves out."""

    def __init__(
        self, file: BinaryIO, labels: tuple[str, ...] | None, *, probabilities: bool = True, top: int | None = None
    ) -> None:
        self._file, self._labels, self._top = file, labels, top
        self._names = columns_of(labels, probabilities=probabilities)
        types: list[pa.DataType] = [pa.float32()] * len(self._names)
        if labels is not None:
            types[0] = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(list(zip(self._names, types, strict=True)))
        self._writer = pq.ParquetWriter(file, self._schema)
        self._held: list[Values] = []
        self._held_values = 0

    def write(self, values: Values) -> None:
        self._held.append(values)
        self._held_values += values.size
        if self._held_values >= GROUP_VALUES:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        self._writer.close()
        self._file.flush()

    def _write_group(self) -> None:
        if not self._held_values:
            return
        values = np.concatenate(self._held)
        self._held, self._held_values = [], 0
        self._writer.write_table(pa.Table.from_arrays(self._columns(values), schema=self._schema), len(values))

    def _columns(self, values: Values) -> list[Cells]:
        if self._labels is None:
            return [pa.array(values[:, 0])]
        best = values.argmax(axis=1)
        label = pa.DictionaryArray.from_arrays(pa.array(best.astype(np.int32)), pa.array(self._labels, pa.string()))
        columns = [label, pa.array(values[np.arange(len(values)), best])]
        left_out = np.zeros(values.shape, bool)
        if self._top is not None and self._top < len(self._labels):
            left_out[:] = True
            kept = np.argsort(-values, axis=1, kind="stable")[:, : self._top]
            np.put_along_axis(left_out, kept, False, axis=1)
        classes = range(len(self._names) - len(columns))
        return [*columns, *(pa.array(values[:, index], mask=left_out[:, index]) for index in classes)]

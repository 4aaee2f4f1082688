"""Rows sent for a prediction → raw rows. What cannot be read is refused by row and column; nothing is guessed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from app.domain.data.cells import FLOAT32_MAX
from app.domain.data.csv_rows import Header, read_block, read_csv
from app.domain.data.faults import refuse
from app.domain.data.pointers import pointer
from app.domain.data.preprocessing import NumericFeature, Preprocessing
from app.domain.data.raw import RawRows
from app.domain.data.table_reader import TableReader
from app.errors import InvalidRows, shown


class RowReader:
    """Reads rows for one `Preprocessing` of a table; built once, used for every request."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.target = preprocessing.target.name
        self.names = tuple(feature.name for feature in preprocessing.features)
        self._known = frozenset((*self.names, self.target))
        self._all_numbers = all(isinstance(feature, NumericFeature) for feature in preprocessing.features)
        self._reader = TableReader(preprocessing)

    @property
    def numbers_a_row(self) -> int | None:
        """How many columns there are, if all of them are numbers."""
        return len(self.names) if self._all_numbers else None

    def of_instances(self, instances: object) -> RawRows:
        """Reads JSON `instances`: all objects by column name, or all arrays in feature order; null is "missing".

        A column that an object leaves out is missing; the target column may be there, and is passed over. Raises
        `InvalidRows` for anything else, naming row and column (`/instances/3/bill_length_mm`).
        """
        if not isinstance(instances, list) or not instances:
            raise refuse("instances must be a list of at least one row", "/instances", instances, "instances_empty")
        if _all_objects(instances):
            return self._reader.json(self._table_of_objects(instances), "instances")
        if _all_arrays(instances):
            return self._reader.json(self._table_of_arrays(instances), "instances")
        message = "instances must be objects by column name, or arrays in feature order, all of one kind"
        raise refuse(message, "/instances", instances[0], "instances_mixed")

    def of_csv(self, text: str) -> RawRows:
        """Reads CSV with a header row. A column of the model that is not there is missing in every row.

        The target column may be there, and is passed over. Raises `InvalidRows` for unknown or repeated columns,
        ragged rows, NUL characters and cells that are no value of their column (`/rows/3/bill_length_mm`).
        """
        return self._reader.text(read_csv(text, self.names, self.target), "rows")

    def of_csv_block(self, text: str, header: Header, rows_before: int, lines_before: int) -> RawRows:
        """Reads rows from somewhere below a header; raises as `of_csv` does, and there may be none."""
        return self._reader.text(read_block(text, header, lines_before), "rows", rows_before)

    def of_columns(self, columns: Mapping[str, Sequence[object]]) -> RawRows:
        """Reads JSON values by column; a column that is left out is missing in every row.

        Raises `InvalidRows` as `of_instances` does, and for columns of different lengths.
        """
        self._check_names(columns, "rows")
        rows = max(map(len, columns.values()), default=0)
        if not rows:
            raise refuse("at least one row is needed", "/rows", None, "instances_empty")
        for name, values in columns.items():
            if len(values) != rows:
                message = f"column {shown(name)!r} has {len(values)} values; another has {rows}"
                raise refuse(message, pointer("columns", name), len(values), "row_width_mismatch")
        absent = [None] * rows
        return self._reader.json(list(zip(*(columns.get(name, absent) for name in self.names), strict=True)), "rows")

    def of_array(self, array: NDArray[np.generic]) -> RawRows:
        """Reads numbers [n, columns] in feature order, for a table of numbers alone.

        Raises `InvalidRows` for another shape or dtype, for NaN and for what float32 cannot hold.
        """
        if not self._all_numbers:
            raise refuse("the model has columns that are no numbers; send rows by column name", "", None)
        width = len(self.names)
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != width or not len(array):
            received = f"{array.dtype} {list(array.shape)}"
            raise refuse(f"the array must hold numbers of shape [rows, {width}]; received {received}", "", received)
        numbers = array.astype(np.float64)
        wrong = np.argwhere(~(np.abs(numbers) <= FLOAT32_MAX))
        if len(wrong):
            row, column = (int(index) for index in wrong[0])
            where = pointer("rows", row, self.names[column])
            message = f"{where} must be finite and within ±3.4e38 (float32)"
            raise refuse(message, where, float(numbers[row, column]), "value_invalid")
        return RawRows(numbers, np.empty((len(numbers), 0), np.int32))

    def _table_of_objects(self, instances: list[dict[str, object]]) -> list[list[object]]:
        for row, instance in enumerate(instances):
            if not instance:
                raise refuse(f"row {row} is empty: it gives no column at all", pointer("instances", row), instance)
            if not instance.keys() <= self._known:
                self._check_names(instance, "instances", row)
        return [[instance.get(name) for name in self.names] for instance in instances]

    def _table_of_arrays(self, instances: list[list[object]]) -> list[list[object]]:
        width = len(self.names)
        for row, instance in enumerate(instances):
            if len(instance) != width:
                message = f"row {row} has {len(instance)} values; the model has {width} columns"
                raise refuse(message, pointer("instances", row), f"{len(instance)} values", "row_width_mismatch")
        return instances

    def _check_names(self, names: Iterable[str], *place: str | int) -> None:
        for name in names:
            if name not in self._known:
                raise self._unknown(name, pointer(*place, name))

    def _unknown(self, name: str, where: str) -> InvalidRows:
        columns = ", ".join(shown(known, 40) for known in self.names[:20])
        return refuse(f"{where} is no column of the model; its columns are {columns}", where, name, "column_unknown")


def _all_objects(instances: list[object]) -> TypeGuard[list[dict[str, object]]]:
    return set(map(type, instances)) == {dict}


def _all_arrays(instances: list[object]) -> TypeGuard[list[list[object]]]:
    return set(map(type, instances)) == {list}

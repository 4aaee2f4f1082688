"""The first rows of a dataset as a person reads them."""

import math

from app.domain.data.columns import Columns
from app.domain.data.schema import MISSING, Column, ColumnType
from app.web.moments import moment

Cell = str | float | bool | None


def preview(columns: Columns, limit: int) -> list[dict[str, Cell]]:
    """At most `limit` rows by column name, the target last; a picture is shown by its size in pixels."""
    schema = columns.schema
    return [
        {column.name: _cell(columns, column, row) for column in (*schema.features, schema.target)}
        for row in range(min(limit, schema.rows))
    ]


def _cell(columns: Columns, column: Column, row: int) -> Cell:
    if column.type is ColumnType.PICTURE:
        height, width = columns.shapes[row]
        return f"{width} × {height} pixels"
    if column.type is ColumnType.CATEGORICAL:
        code = int(columns.codes[row, column.place])
        return None if code == MISSING else column.categories[code]
    value = float(columns.numbers[row, column.place])
    if math.isnan(value):
        return None
    if column.type is ColumnType.BOOLEAN:
        return bool(value)
    return moment(value) if column.type is ColumnType.DATE else value

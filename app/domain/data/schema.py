"""What a stored dataset holds: its columns, their types and places, and the profile that users read.

A dataset is stored as up to four raw little-endian arrays beside this schema:

- `numbers`  float64 [rows, p]: numeric columns, booleans as 0/1, dates as seconds since 1970 UTC; NaN is "missing"
- `codes`    int32 [rows, q]: categorical columns and class labels as indices into `Column.categories`; -1 is "missing"
- `pixels`   uint8 [bytes]: pictures one after another, each [height, width, 3], row-major
- `shapes`   int32 [rows, 2]: height and width of each picture
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from app.domain.strict import Frozen as Frozen
from app.domain.task import Task as Task

MISSING = -1
"""The code of a missing category."""
UNSEEN = -2
"""The code of a category that was not among the training rows'."""
OTHER = "(other)"
"""Stands for the values of a column beyond the `MAX_CATEGORIES` most frequent ones."""
MAX_CATEGORIES = 200


class Kind(StrEnum):
    TABLE = "table"
    PICTURES = "pictures"
    ARRAY = "array"


class ColumnType(StrEnum):
    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATE = "date"
    PICTURE = "picture"


class Column(Frozen):
    """One stored column. `place` is its index in `numbers` or `codes`, by `type`; of no meaning for a picture.

    `minimum`, `maximum`, `mean` and `deviation` (population) are over the present values of numeric and date
    columns. `categories` are in order of frequency (ties by text), at most `MAX_CATEGORIES`, then `OTHER` if values
    were folded into it. For a boolean column they are its two spellings in the file: false first.
    """

    name: str
    type: ColumnType
    place: int
    missing: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()


class Warning(Frozen):
    code: str
    message: str


class DatasetSchema(Frozen):
    """Everything about a dataset but its numbers. `target.type` is categorical (classes) or numeric (regression)."""

    kind: Kind
    task: Task
    rows: int
    features: tuple[Column, ...]
    target: Column
    warnings: tuple[Warning, ...] = ()

    @property
    def has_pictures(self) -> bool:
        """Whether a row is a picture: so in a dataset of pictures, and in an array of them."""
        return any(column.type is ColumnType.PICTURE for column in self.features)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels as the file spells them; empty for regression."""
        return self.target.categories if self.task is Task.CLASSIFICATION else ()


class ColumnRequest(Frozen):
    """What the uploader says of one column: leave it out, take it in, or read it as a type."""

    role: Literal["feature", "ignore"] | None = None
    type: Literal["numeric", "categorical", "boolean", "date"] | None = None


class ReadRequest(Frozen):
    """How an upload is to be read: the `options` of `POST /datasets`."""

    target: str | None = None
    task: Literal["classification", "regression", "auto"] = "auto"
    columns: dict[str, ColumnRequest] = Field(default_factory=dict)

"""What every table reader provides: names, a look at the start, and the columns in parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import ColumnType, Warning


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one column in one block: int32 [n] indices into `values`, in which None is missing."""

    codes: NDArray[np.int32]
    values: list[str | None]


Part = NDArray[np.float64] | Texts
"""One column of one block: numbers (NaN is missing), or texts."""


def rows_of(part: Part) -> int:
    """How many rows the part has."""
    return len(part.codes) if isinstance(part, Texts) else len(part)


@dataclass(frozen=True, slots=True)
class Look:
    """What the start of a column shows.

    `odd` is the first cell (row from 0, text) that is no number in a column that is otherwise one of numbers.
    `distinct` counts the present values where that is asked of the type: whole numbers and texts.
    """

    name: str
    type: ColumnType
    present: int
    distinct: int = 0
    whole: bool = False
    sequence: bool = False
    spellings: tuple[str, ...] = ()
    characters: float = 0.0
    odd: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A column that is kept, and how: its type, and for booleans its two spellings (false first)."""

    name: str
    type: ColumnType
    spellings: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it is held in `numbers`; otherwise in `codes`."""
        return self.type is not ColumnType.CATEGORICAL


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns that are kept, features in the file's order and the target last, and what was left out."""

    features: tuple[Field, ...]
    target: Field
    warnings: tuple[Warning, ...] = field(default=())

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.features, self.target)


class Table(Protocol):
    """A source of typed columns. Rows are counted from 1 in what it raises."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def warnings(self) -> Sequence[Warning]: ...

    def looks(self) -> list[Look]:
        """A look at each column, in the order of `names`."""
        ...

    def parts(self, fields: Sequence[Field]) -> Iterator[list[Part]]:
        """Block after block: one part for each of `fields`. Raises InvalidDataset for what does not fit."""
        ...

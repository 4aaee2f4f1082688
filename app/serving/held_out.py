"""Rows that neither of two models was trained on, found again from what their runs recorded.

Which rows trained follows from dataset, fraction and seed, so it is computed anew as training computed it. Where both
know the same stored content, rows are told apart by their number; elsewhere by the values of all columns that a model
uses, for a row may stand in a newer dataset too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.fingerprints import fingerprints
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.split import Rows
from app.domain.data.stored import check_columns
from app.domain.data.targets import check_target
from app.domain.plan.preparation import divided
from app.domain.plan.settings import TrainingSettings
from app.errors import InvalidDataset
from app.storage import datasets
from app.storage.blobs import Blobs
from app.storage.tables import DatasetRow

NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run was trained with: `data`, and the other dataset that it validated on, if any."""

    preprocessing: Preprocessing
    settings: TrainingSettings
    data: DatasetRow
    validation: DatasetRow | None

    @property
    def stored(self) -> dict[str, int]:
        """The folders of columns that are needed to tell its rows apart, and their bytes."""
        rows = [self.data] if self.validation is None else [self.data, self.validation]
        return {row.folder: row.stored_bytes for row in rows}


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one stored content, and the dataset that a run knows it by."""

    dataset: str
    columns: Columns
    rows: Rows


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that neither was trained on; `by_value`: equal values were looked for, in the data of the other one."""

    parts: tuple[Part, ...]
    by_value: bool

    @property
    def rows(self) -> int:
        return sum(len(part.rows) for part in self.parts)

    def spread(self, most: int) -> "HeldOut":
        """At most `most` of them, spread evenly over all."""
        if self.rows <= most:
            return self
        chosen = np.linspace(0, self.rows - 1, most).astype(np.int64)
        parts, start = [], 0
        for part in self.parts:
            own = chosen[(chosen >= start) & (chosen < start + len(part.rows))] - start
            parts.append(Part(part.dataset, part.columns, part.rows[own]))
            start += len(part.rows)
        return HeldOut(tuple(part for part in parts if len(part.rows)), self.by_value)


@dataclass(frozen=True, slots=True)
class _Known:
    """What one model was trained on and validated on: rows by stored content."""

    preprocessing: Preprocessing
    trained: Part
    trained_on: str
    validated: Part
    validated_on: str


def held_out(blobs: Blobs, first: Trained, second: Trained) -> HeldOut:
    """The rows that were held out of one's training and were not in the other's. Reads all of both datasets' columns.

    Raises `NotFound` and `Damaged` where stored columns are not as they were recorded.
    """
    opened: dict[str, Columns] = {}
    both = [_known(blobs, opened, one) for one in (first, second)]
    parts, by_value = [], False
    for content in dict.fromkeys(known.validated_on for known in both):
        held = [known.validated for known in both if known.validated_on == content]
        rows = np.unique(np.concatenate([part.rows for part in held]))
        for known in both:
            if not _answers_for(known.preprocessing, held[0].columns):
                rows = NO_ROWS
            elif known.trained_on == content:
                rows = np.setdiff1d(rows, known.trained.rows, assume_unique=True)
            elif len(rows):
                rows, by_value = _new_to(known, held[0].columns, rows), True
        parts.append(Part(held[0].dataset, held[0].columns, rows))
    return HeldOut(tuple(part for part in parts if len(part.rows)), by_value)


def columns_of(blobs: Blobs, row: DatasetRow) -> Columns:
    """A dataset's columns, their digests checked. Raises `NotFound` and `Damaged`."""
    files = datasets.files_of(row)
    for file in files:
        blobs.check(file)
    return datasets.open_columns(blobs, datasets.schema_of(row), files)


def _known(blobs: Blobs, opened: dict[str, Columns], one: Trained) -> _Known:
    def columns(row: DatasetRow) -> Columns:
        if row.content not in opened:
            opened[row.content] = columns_of(blobs, row)
        return opened[row.content]

    own, held = columns(one.data), one.data if one.validation is None else one.validation
    trained, validated = divided(own, one.settings, None if one.validation is None else columns(held))
    return _Known(
        one.preprocessing,
        Part(one.data.id, own, trained),
        one.data.content,
        Part(held.id, columns(held), validated),
        held.content,
    )


def _answers_for(preprocessing: Preprocessing, columns: Columns) -> bool:
    """Whether the model can be judged on these columns."""
    try:
        check_columns(preprocessing, columns.schema)
        check_target(preprocessing.target, columns)
    except InvalidDataset:
        return False
    return True


def _new_to(known: _Known, columns: Columns, rows: Rows) -> Rows:
    """Those of `rows` whose like, in the columns that the model uses, was not among its training rows."""
    seen = fingerprints(known.preprocessing, known.trained.columns, known.trained.rows)
    mine: NDArray[np.uint64] = fingerprints(known.preprocessing, columns, rows)
    return rows[~np.isin(mine, seen)]

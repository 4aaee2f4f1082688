"""Features that give the target away: what such a model has learned is worth nothing on new rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import LAYOUT
from app.domain.data.schema import Column, ColumnType, Task, Warning
from app.errors import shown

ROWS = 100_000
"""Rows from the start that are looked at."""
CORRELATION = 0.999
FEWEST_ROWS = 50
FEWEST_PER_CLASS = 10
_CELLS = 4_000_000


def leaks(folder: Path, features: tuple[Column, ...], target: Column, task: Task) -> Iterator[Warning]:
    """A warning for each feature that determines the target on the first rows stored in `folder`."""
    columns = (*features, target)
    in_codes = sum(column.type is ColumnType.CATEGORICAL for column in columns)
    rows = min(ROWS, _CELLS // len(columns))
    codes = _head(folder, "codes", in_codes, rows)
    numbers = _head(folder, "numbers", len(columns) - in_codes, rows)
    held = codes if task is Task.CLASSIFICATION else numbers
    if len(held) < FEWEST_ROWS:
        return
    wanted = held[:, target.place]
    for column in features:
        values = codes[:, column.place] if column.type is ColumnType.CATEGORICAL else numbers[:, column.place]
        if _gives_away(column, values, wanted, task):
            message = f"Column '{shown(column.name)}' gives the target away: leave it out unless it is known in time."
            yield Warning(code="target_leak", message=message)


def _head(folder: Path, name: str, width: int, rows: int) -> NDArray[np.generic]:
    if not width:
        return np.empty((0, 0))
    held: NDArray[np.generic] = np.fromfile(folder / f"{name}.bin", LAYOUT[name], rows * width)
    return held.reshape(-1, width)


def _gives_away(column: Column, values: NDArray[np.generic], wanted: NDArray[np.generic], task: Task) -> bool:
    if column.type is ColumnType.CATEGORICAL:
        return task is Task.CLASSIFICATION and _one_to_one(values, wanted)
    floats = values.astype(np.float64)
    present = ~np.isnan(floats)
    if task is Task.REGRESSION:
        return _correlated(floats[present], wanted[present].astype(np.float64))
    return bool(present.all()) and _separates(floats, wanted)


def _one_to_one(values: NDArray[np.generic], classes: NDArray[np.generic]) -> bool:
    """Whether each value stands for one class and each class has one value, all of them often enough."""
    pairs, times = np.unique(np.stack([values, classes]), axis=1, return_counts=True)
    alone = len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    return bool(alone and pairs.shape[1] > 1 and times.min() >= FEWEST_PER_CLASS)


def _separates(values: NDArray[np.float64], classes: NDArray[np.generic]) -> bool:
    """Whether the classes' ranges of values do not touch."""
    order = np.argsort(values, kind="stable")
    ordered, labels = values[order], classes[order]
    changes = np.flatnonzero(labels[1:] != labels[:-1])
    _, times = np.unique(classes, return_counts=True)
    if len(times) < 2 or len(changes) != len(times) - 1 or times.min() < FEWEST_PER_CLASS:
        return False
    return bool(np.all(ordered[changes + 1] > ordered[changes]))


def _correlated(values: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
    if len(values) < FEWEST_ROWS:
        return False
    left, right = values - values.mean(), wanted - wanted.mean()
    # Scaled first: squares of numbers near 1e38 are fine in float64, those of 1e-200 are not.
    scale = float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0))
    if not all(scale):
        return False
    left, right = left / scale[0], right / scale[1]
    return bool(abs(left @ right) > CORRELATION * np.sqrt((left @ left) * (right @ right)))

"""Fits preprocessing: from the training rows alone, so that nothing of the validation rows leaks into a network."""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.encoder import expanded
from app.domain.data.preprocessing import (
    BooleanFeature,
    CategoricalFeature,
    ClassTarget,
    DateFeature,
    Feature,
    NumberTarget,
    NumericFeature,
    PictureInput,
    Preprocessing,
    Scale,
    Target,
)
from app.domain.data.raw import chunks
from app.domain.data.schema import OTHER, Column, ColumnType
from app.domain.data.split import Rows
from app.domain.task import Task

MOST_PICTURES = 4_096
"""So many training pictures, spread evenly over them, say what the channels' means are."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of the present values of some columns; all arrays are [columns]. NaN bounds: no value was present."""

    present: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    def scale(self, index: int) -> Scale:
        return Scale(mean=float(self.mean[index]), deviation=float(self.deviation[index]))

    def bounds(self, index: int) -> tuple[float | None, float | None]:
        if self.present[index] == 0:
            return None, None
        return float(self.minimum[index]), float(self.maximum[index])


def fit(columns: Columns, rows: Rows, input_shape: tuple[int, ...] | None = None) -> Preprocessing:
    """Fits preprocessing on the training rows `rows` of a dataset.

    `input_shape` is needed for pictures alone: [height, width, 3], or [n] for flattened squares. A target's scale is
    (mean, population deviation), as a numeric column's is; a constant has deviation 1.
    """
    target = _fit_target(columns, rows)
    if columns.schema.has_pictures:
        assert input_shape is not None
        return Preprocessing(features=(), picture=_fit_pictures(columns, rows, input_shape), target=target)
    scaled = [column for column in columns.schema.features if column.type is not ColumnType.CATEGORICAL]
    dates = [index for index, column in enumerate(scaled) if column.type is ColumnType.DATE]
    moments = _moments(columns, rows, [column.place for column in scaled], dates)
    fitted: dict[str, Feature] = {
        column.name: _fit_scaled(column, index, moments, len(rows), _date_place(len(scaled), dates, index))
        for index, column in enumerate(scaled)
    }
    features = tuple(
        fitted.get(column.name) or _fit_categorical(columns, rows, column) for column in columns.schema.features
    )
    return Preprocessing(features=features, picture=None, target=target)


def _moments(columns: Columns, rows: Rows, places: list[int], dates: list[int]) -> _Moments:
    """Two passes over the rows, a chunk at a time: means and bounds first, then deviations from those means."""
    width = len(places) + 3 * len(dates)
    present, total, squares = np.zeros(width, np.int64), np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.inf), np.full(width, -np.inf)

    def values(part: slice) -> NDArray[np.float64]:
        return expanded(columns.numbers[rows[part]][:, places], np.array(dates, np.intp))

    for part in chunks(len(rows), columns.numbers.shape[1] + width):
        chunk = values(part)
        missing = np.isnan(chunk)
        present += (~missing).sum(axis=0)
        total += np.where(missing, 0.0, chunk).sum(axis=0)
        low = np.minimum(low, np.where(missing, np.inf, chunk).min(axis=0))
        high = np.maximum(high, np.where(missing, -np.inf, chunk).max(axis=0))
    # The mean of equal values is that value: rounding must not make a constant vary.
    mean = np.where(low == high, low, total / np.maximum(present, 1))
    for part in chunks(len(rows), columns.numbers.shape[1] + width):
        squares += np.nansum(np.square(values(part) - mean), axis=0)
    deviation = np.sqrt(squares / np.maximum(present, 1))
    return _Moments(present, mean, np.where(deviation > 0, deviation, 1.0), low, high)


def _date_place(scaled: int, dates: list[int], index: int) -> int:
    return scaled + 3 * dates.index(index) if index in dates else index


def _fit_scaled(column: Column, index: int, moments: _Moments, rows: int, parts: int) -> Feature:
    indicator = int(moments.present[index]) < rows
    low, high = moments.bounds(index)
    if column.type is ColumnType.BOOLEAN:
        most = bool(moments.mean[index] > 0.5)
        return BooleanFeature(name=column.name, indicator=indicator, spellings=column.categories, most_frequent=most)
    if column.type is ColumnType.DATE:
        year, month, weekday = (moments.scale(parts + part) for part in range(3))
        scales = (moments.scale(index), year, month, weekday)
        return DateFeature(name=column.name, indicator=indicator, scales=scales, minimum=low, maximum=high)
    return NumericFeature(name=column.name, indicator=indicator, scale=moments.scale(index), minimum=low, maximum=high)


def _fit_categorical(columns: Columns, rows: Rows, column: Column) -> CategoricalFeature:
    codes = columns.codes[rows, column.place]
    counts = np.bincount(codes + 1, minlength=len(column.categories) + 1)
    seen = [(text, int(count)) for text, count in zip(column.categories, counts[1:], strict=True) if count]
    known = [(text, count) for text, count in seen if text != OTHER]
    others = sum(count for text, count in seen if text == OTHER)
    ranked = [count for _, count in known] + [others]
    return CategoricalFeature(
        name=column.name,
        indicator=bool(counts[0]),
        categories=tuple(text for text, _ in known),
        other=others > 0,
        most_frequent=int(np.argmax(ranked)) if seen else None,
    )


def _fit_target(columns: Columns, rows: Rows) -> Target:
    column = columns.schema.target
    if columns.schema.task is Task.CLASSIFICATION:
        return ClassTarget(name=column.name, labels=column.categories)
    return NumberTarget(name=column.name, scale=_moments(columns, rows, [column.place], []).scale(0))


def _fit_pictures(columns: Columns, rows: Rows, shape: tuple[int, ...]) -> PictureInput:
    flat = len(shape) == 1
    height, width = (isqrt(shape[0] // 3),) * 2 if flat else shape[:2]
    return PictureInput(height=height, width=width, flat=flat, center=_channel_means(columns, rows))


def _channel_means(columns: Columns, rows: Rows) -> tuple[float, float, float]:
    """The mean of each channel on the scale 0–1, every picture weighing the same; of some pictures where many are."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_PICTURES)).astype(np.int64)]
    offsets = columns.picture_offsets()
    means = [columns.picture(int(row), offsets).reshape(-1, 3).mean(axis=0) for row in chosen]
    red, green, blue = (np.mean(means, axis=0) / 255).tolist()
    return red, green, blue

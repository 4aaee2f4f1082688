"""Rows in raw units, before they are encoded, and what can be said of them beside a model's training rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from app.domain.data.preprocessing import DateFeature, NumericFeature, Preprocessing
from app.domain.data.schema import MISSING

UnseenCounts = dict[str, dict[str, int]]
MOST_UNSEEN_VALUES = 20
"""How many distinct unseen categories of a column a report names."""
_CHUNK_VALUES = 1 << 20


@dataclass(frozen=True, slots=True)
class RawRows:
    """`numbers` is float64 [n, scaled columns], NaN for missing; `codes` is int32 [n, categorical columns].

    Columns stand in the order of `Preprocessing.scaled` and `.categorical`; codes are indices into the fitted
    categories, `MISSING` or `UNSEEN`. `unseen` counts each unseen text by column.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int32]
    unseen: UnseenCounts = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class InputReport:
    """Counts by column of what was not as in training; a column with nothing to report is left out."""

    imputed: dict[str, int]
    unseen_categories: UnseenCounts
    out_of_range: dict[str, int]


class InputReporter:
    """Reports on rows for one `Preprocessing` of a table; built once, used for every request."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._scaled = [feature.name for feature in preprocessing.scaled]
        self._names = [*self._scaled, *(feature.name for feature in preprocessing.categorical)]
        bounds = [_bounds(feature) for feature in preprocessing.scaled]
        self._lowest = np.array([low for low, _ in bounds])
        self._highest = np.array([high for _, high in bounds])

    def report(self, raw: RawRows) -> InputReport:
        """What was imputed, which categories training never saw, which numbers lie outside the training rows' range.

        At most `MOST_UNSEEN_VALUES` distinct values a column are named, the most frequent first.
        """
        if not raw.unseen and self.is_as_trained(raw.numbers, raw.codes):
            return InputReport({}, {}, {})
        absent = np.isnan(raw.numbers).sum(axis=0).tolist() + (raw.codes == MISSING).sum(axis=0).tolist()
        outside = ((raw.numbers < self._lowest) | (raw.numbers > self._highest)).sum(axis=0).tolist()
        return InputReport(
            imputed=_counted(self._names, absent),
            unseen_categories={column: _most_frequent(counts) for column, counts in raw.unseen.items() if counts},
            out_of_range=_counted(self._scaled, outside),
        )

    def is_as_trained(self, numbers: NDArray[np.float64], codes: NDArray[np.int32]) -> bool:
        """Whether no value is missing and every number lies within the training rows' range: a few operations."""
        # A NaN is within nothing.
        within = (numbers >= self._lowest) & (numbers <= self._highest)
        return bool(within.all()) and (not codes.size or MISSING not in codes)


def input_report(preprocessing: Preprocessing, raw: RawRows) -> InputReport:
    """The report on one set of rows; see `InputReporter`."""
    return InputReporter(preprocessing).report(raw)


def chunks(rows: int, values_a_row: int) -> Iterator[slice]:
    """Cuts `rows` rows into slices of about a million values, so that no work needs a second copy of everything."""
    size = max(1, _CHUNK_VALUES // max(1, values_a_row))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def _counted(names: list[str], counts: list[int]) -> dict[str, int]:
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def _bounds(feature: object) -> tuple[float, float]:
    if (
        isinstance(feature, NumericFeature | DateFeature)
        and feature.minimum is not None
        and feature.maximum is not None
    ):
        return feature.minimum, feature.maximum
    return -np.inf, np.inf


def _most_frequent(counts: dict[str, int]) -> dict[str, int]:
    return dict(islice(sorted(counts.items(), key=lambda item: (-item[1], item[0])), MOST_UNSEEN_VALUES))

"""Rows in raw units, before they are encoded, and what can be said of them beside a model's training rows."""

from collections.abc import Iterator, Sequence
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


@dataclass(slots=True)
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


@dataclass(slots=True)
class InputReport:
    """Counts by column of what was not as in training; a column with nothing to report is left out."""

    imputed: dict[str, int]
    unseen_categories: UnseenCounts
    out_of_range: dict[str, int]


NOTHING_TO_REPORT = InputReport({}, {}, {})
"""One for all: its counts are never written to."""
_FEW_ROWS = 256
"""Up to which what is odd is looked at one by one: most often there is nothing, or a value or two."""


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
        return self.reports([raw], raw.numbers, raw.codes)[0]

    def reports(
        self, raws: Sequence[RawRows], numbers: NDArray[np.float64], codes: NDArray[np.int32]
    ) -> list[InputReport]:
        """The report on each of `raws`, whose numbers and codes stand one behind the other in `numbers` and `codes`."""
        if len(numbers) > _FEW_ROWS:
            return [self._counted(raw) for raw in raws]
        # A NaN is within nothing.
        within = (numbers >= self._lowest) & (numbers <= self._highest)
        gone = np.argwhere(codes == MISSING).tolist() if codes.size else []
        if within.all() and not gone and not any(raw.unseen for raw in raws):
            return [NOTHING_TO_REPORT] * len(raws)
        rows, columns = (~within).nonzero()
        odd = [*zip(rows.tolist(), columns.tolist(), numbers[rows, columns].tolist(), strict=True)]
        # A missing category as what a missing number is.
        odd += [(row, len(self._scaled) + column, np.nan) for row, column in gone]
        return self._told(raws, odd)

    def _told(self, raws: Sequence[RawRows], odd: Sequence[tuple[int, int, float]]) -> list[InputReport]:
        """The reports, of odd values by row and column: those that are missing are NaN."""
        owners = [index for index, raw in enumerate(raws) for _ in range(len(raw.numbers))]
        reports = [InputReport({}, _named(raw.unseen), {}) if raw.unseen else NOTHING_TO_REPORT for raw in raws]
        for row, column, value in odd:
            report = reports[owners[row]]
            if report is NOTHING_TO_REPORT:
                report = reports[owners[row]] = InputReport({}, {}, {})
            counts = report.out_of_range if value == value else report.imputed
            name = self._names[column]
            counts[name] = counts.get(name, 0) + 1
        return reports

    def _counted(self, raw: RawRows) -> InputReport:
        absent = np.isnan(raw.numbers).sum(axis=0).tolist() + (raw.codes == MISSING).sum(axis=0).tolist()
        outside = ((raw.numbers < self._lowest) | (raw.numbers > self._highest)).sum(axis=0).tolist()
        return InputReport(
            imputed={name: count for name, count in zip(self._names, absent, strict=True) if count},
            unseen_categories=_named(raw.unseen),
            out_of_range={name: count for name, count in zip(self._scaled, outside, strict=True) if count},
        )


def input_report(preprocessing: Preprocessing, raw: RawRows) -> InputReport:
    """The report on one set of rows; see `InputReporter`."""
    return InputReporter(preprocessing).report(raw)


def chunks(rows: int, values_a_row: int) -> Iterator[slice]:
    """Cuts `rows` rows into slices of about a million values, so that no work needs a second copy of everything."""
    size = max(1, _CHUNK_VALUES // max(1, values_a_row))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def _named(unseen: UnseenCounts) -> UnseenCounts:
    return {column: _most_frequent(counts) for column, counts in unseen.items() if counts}


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

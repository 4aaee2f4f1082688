"""Columns of cells → raw rows, a column at a time, by the very readers that read one cell."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from app.domain.data.faults import Faults
from app.domain.data.fields import ValueReader, reader_for
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import RawRows
from app.domain.data.schema import UNSEEN
from app.errors import shown

Numbers = NDArray[np.float64]
MOST_KNOWN = 100_000
"""Texts of a column whose meaning is kept in mind."""
LONGEST_KNOWN = 200


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one column: indices [n] into the distinct `values`; None is missing."""

    indices: NDArray[np.int32]
    values: list[str | None]


class NotRead(Exception):
    """A cell that its column does not take, with where it stands first, and why."""

    def __init__(self, column: str, index: int, received: str, why: str) -> None:
        super().__init__(column, index, received, why)
        self.column, self.index, self.received, self.why = column, index, received, why

    def raise_at(self, rows_before: int) -> NoReturn:
        """Raises `InvalidRows`, `rows_before` rows standing before those in which the cell is."""
        faults = Faults("rows", rows_before)
        faults.add(self.index, self.column, self.why, self.received)
        faults.raise_if_any()
        raise AssertionError


class Meanings:
    """What the texts of one column mean, each looked at once."""

    def __init__(self, name: str, reader: ValueReader) -> None:
        self._name, self._reader = name, reader
        self._known: dict[str | None, float] = {None: reader.missing}

    def of(self, texts: Texts) -> Numbers:
        """The numbers, or codes, that raw rows hold, float64 [n]. Raises `NotRead`."""
        table = np.empty(len(texts.values))
        for index, text in enumerate(texts.values):
            known = self._known.get(text)
            try:
                table[index] = self._read(text) if known is None else known
            except ValueError as error:
                raise NotRead(self._name, int(np.argmax(texts.indices == index)), str(text), str(error)) from None
        return table[texts.indices]

    def _read(self, text: str | None) -> float:
        meaning = self._reader.missing if text is None else self._reader.of_text(text)
        if len(self._known) >= MOST_KNOWN:
            self._known = {None: self._reader.missing}
        if text is not None and len(text) <= LONGEST_KNOWN:
            self._known[text] = meaning
        return meaning


class RawColumns:
    """Puts the columns of blocks of rows together, for one `Preprocessing`."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._meanings = {
            feature.name: Meanings(feature.name, reader_for(feature)) for feature in preprocessing.features
        }
        self._scaled = [feature.name for feature in preprocessing.scaled]
        self._categorical = [feature.name for feature in preprocessing.categorical]
        self._missing = {feature.name: reader_for(feature).missing for feature in preprocessing.features}

    def raw(self, rows: int, numbers: Mapping[str, Numbers], texts: Mapping[str, Texts]) -> RawRows:
        """Raw rows of columns, each given as numbers or as texts; missing throughout where it is neither.

        Raises `NotRead`.
        """
        found = dict(numbers)
        for name, cells in texts.items():
            found[name] = self._meanings[name].of(cells)
        scaled = np.empty((rows, len(self._scaled)))
        for place, name in enumerate(self._scaled):
            scaled[:, place] = found.get(name, self._missing[name])
        codes = np.empty((rows, len(self._categorical)), np.int32)
        for place, name in enumerate(self._categorical):
            codes[:, place] = found.get(name, self._missing[name])
        return RawRows(scaled, codes, dict(self._unseen(codes, texts)))

    def _unseen(self, codes: NDArray[np.int32], texts: Mapping[str, Texts]) -> Iterator[tuple[str, dict[str, int]]]:
        for place, name in enumerate(self._categorical):
            unseen = codes[:, place] == UNSEEN
            if unseen.any():
                counts: Counter[str] = Counter()
                cells = texts[name]
                distinct, times = np.unique(cells.indices[unseen], return_counts=True)
                for index, count in zip(distinct.tolist(), times.tolist(), strict=True):
                    counts[shown(cells.values[index])] += count
                yield name, dict(counts)

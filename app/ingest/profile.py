"""What is counted about columns while they stream by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import TooLarge


@dataclass(slots=True)
class Moments:
    """Count, extremes, mean and sum of squared deviations, merged block by block.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    missing: int = 0
    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in one block, float64 [n]; NaN is missing."""
        present = values
        if np.isnan(values.min(initial=np.inf)):
            present = values[~np.isnan(values)]
        self.missing += len(values) - len(present)
        count = len(present)
        if count == 0:
            return
        mean = float(present.mean())
        centered = present - mean
        # The rounding of `mean` itself is taken back: exact data stay exact.
        correction = float(centered.sum()) / count
        # NumPy's own sum: BLAS would wake threads of its own for each column.
        squares = max(float(np.square(centered, out=centered).sum()) - correction * correction * count, 0.0)
        mean += correction
        total, gap = self.count + count, mean - self.mean
        self.squares += squares + gap * gap * (self.count * count / total)
        self.mean += gap * (count / total)
        self.count = total
        self.minimum = min(self.minimum, float(present.min()))
        self.maximum = max(self.maximum, float(present.max()))

    @property
    def deviation(self) -> float:
        """The population's standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


class Counts:
    """Texts of one column in order of appearance, and how often each was seen."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.rows: NDArray[np.int64] = np.zeros(16, np.int64)
        self.missing = 0
        self.overflow = 0

    def add(self, codes: NDArray[np.int32], texts: list[str | None], room: "Room") -> NDArray[np.int32]:
        """Codes into `texts` (None is missing) become codes into `places`; -1 missing, -2 beyond the `room`."""
        table = np.fromiter((self._place(text, room) for text in texts), np.int32, len(texts))
        if len(self.places) > len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros(len(self.places) * 2, np.int64)])
        placed = table[codes] if len(table) else np.zeros(0, np.int32)
        counted = np.bincount(placed + 2, minlength=2)
        self.overflow += int(counted[0])
        self.missing += int(counted[1])
        self.rows[: len(counted) - 2] += counted[2:]
        return placed

    def _place(self, text: str | None, room: "Room") -> int:
        if text is None:
            return -1
        place = self.places.get(text)
        if place is None:
            if not room.take(text):
                return -2
            place = self.places[text] = len(self.places)
        return place

    def by_frequency(self) -> list[tuple[str, int]]:
        """(text, rows), most frequent first, ties by text."""
        seen = [(text, int(self.rows[place])) for text, place in self.places.items() if self.rows[place]]
        return sorted(seen, key=lambda pair: (-pair[1], pair[0]))


class Room:
    """How many distinct texts, of how many characters, may be held at once: what keeps memory flat."""

    def __init__(self, texts: int, characters: int) -> None:
        self._texts = texts
        self._characters = characters

    def take(self, text: str) -> bool:
        """Whether there was room for this one more."""
        if self._texts < 1 or self._characters < len(text):
            return False
        self._texts -= 1
        self._characters -= len(text)
        return True


def bound(rows: int, limit: int) -> None:
    """Raise TooLarge where a dataset has more than `limit` rows."""
    if rows > limit:
        raise TooLarge(f"The dataset has more than {limit:,} rows.")

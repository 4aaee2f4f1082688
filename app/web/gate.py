"""Whether one more prediction would wait too long: where it would, it is refused before anything is done for it.

A queue that grows makes every answer late, those too that could have been in time. To refuse must cost far less than to
answer, or twice the load would leave room for no answer at all.
"""

import logging
from collections.abc import Callable
from time import perf_counter

LEAST = 32
"""So many may wait however long: fewer are no queue."""
TELL_SECONDS = 5.0
_LOG = logging.getLogger("dropnorm.web")
_SHARE = 0.02
"""Of the newest time between two answers in their mean: about the last fifty count."""


class Gate:
    """Counts predictions under way, and learns how fast they end. Lives on one event loop."""

    def __init__(self, most_wait_seconds: float, refused: Callable[[], None]) -> None:
        """`refused` is told of each prediction that is turned away."""
        self._most_wait, self._refused = most_wait_seconds, refused
        self._turned_away = 0
        self._told_at = 0.0
        self._seconds_each = 0.0
        self._mark = 0.0
        self._under_way: set[object] = set()

    @property
    def waiting(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether one more would be answered later than may be, as things go just now."""
        return self.waiting >= LEAST and self.waiting * self._seconds_each > self._most_wait

    def turn_away(self) -> None:
        """One was refused; now and then the log says how many were."""
        self._refused()
        self._turned_away += 1
        now = perf_counter()
        if now - self._told_at > TELL_SECONDS:
            _LOG.warning("overloaded: %d predictions refused, %d wait", self._turned_away, self.waiting)
            self._told_at, self._turned_away = now, 0

    def enter(self, prediction: object) -> None:
        """One prediction more is under way, its body whole: it leaves, or steps aside, by what names it here."""
        if not self._under_way:
            self._mark = perf_counter()
        self._under_way.add(prediction)

    def step_aside(self, prediction: object) -> None:
        """One that is under way keeps nobody waiting: its work is done elsewhere, and teaches nothing."""
        self._under_way.discard(prediction)

    def leave(self, prediction: object) -> None:
        """One has ended: the time since the one before is what each takes while others wait."""
        if prediction not in self._under_way:
            return
        now = perf_counter()
        self._seconds_each += _SHARE * (now - self._mark - self._seconds_each)
        self._mark = now
        self._under_way.discard(prediction)

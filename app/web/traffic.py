"""How much may be asked of this process: requests of a key, a second and at once; uploads of a project at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import QuotaExceeded, Unavailable
from app.web.bodies import Body
from app.web.outgoing import Exchange

Owner = str | None
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class TrafficLimits:
    """Requests of each key (0 a second for no limit), and uploads of each project, in each process."""

    requests_per_second: int
    requests_at_once: int
    uploads_at_once: int


class Underway:
    """One request that is being answered: its owner, its task, and how far it is."""

    __slots__ = ("body", "ends_at_once", "exchange", "owner", "task")

    def __init__(self, owner: Owner, task: "asyncio.Task[object] | None", exchange: Exchange) -> None:
        self.owner, self.task, self.exchange = owner, task, exchange
        self.body: Body | None = None
        self.ends_at_once = False

    def cut_off(self) -> None:
        """Ends a request whose body is on the way, or whose answer is.

        What lies between is work in a thread, which would go on without anybody who ends its transaction: it ends by
        itself, within moments. What `ends_at_once` is work in a process, which is ended too.
        """
        on_the_way = self.exchange.started or (self.body is not None and not self.body.whole)
        if self.task is not None and (on_the_way or self.ends_at_once):
            self.task.cancel()


class Slots:
    """How many tables of any length are answered at once in this process, whoever asks. Lives on one event loop."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Around one of them. Raises `Unavailable` where there are as many as may be."""
        if self._taken >= self._most:
            raise Unavailable(
                f"{self._taken} tables are being answered, which is as many as may be at once; try again soon",
                code="overloaded",
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class Traffic:
    """Counts what is under way, by key; without keys, all of it together. Lives on one event loop."""

    def __init__(self, limits: TrafficLimits) -> None:
        self._limits = limits
        self._underway: dict[Owner, set[Underway]] = {}
        self._uploading: dict[str, int] = {}
        self._buckets: dict[Owner, tuple[float, float]] = {}

    def begin(self, owner: Owner, exchange: Exchange, task: "asyncio.Task[object] | None") -> Underway:
        """One request more of `owner`; must be ended. Raises `QuotaExceeded` where it is one too many.

        `task` is what answers it, to be ended with the key; None for what ends within moments anyway.
        """
        self._spend(owner)
        others = self._underway.setdefault(owner, set())
        if len(others) >= self._limits.requests_at_once:
            raise QuotaExceeded(
                f"{len(others)} requests of this key are being answered, which is as many as may be at once",
                code="too_many_at_once",
            )
        request = Underway(owner, task, exchange)
        others.add(request)
        return request

    def end(self, request: Underway) -> None:
        others = self._underway[request.owner]
        others.discard(request)
        if not others:
            del self._underway[request.owner]

    @contextmanager
    def upload(self, project: str) -> Iterator[None]:
        """Around one upload. Raises `QuotaExceeded` where the project sends as many as it may."""
        count = self._uploading.get(project, 0)
        if count >= self._limits.uploads_at_once:
            raise QuotaExceeded(
                f"{count} uploads are being received, and {self._limits.uploads_at_once} may be at once",
                code="too_many_uploads",
            )
        self._uploading[project] = count + 1
        try:
            yield
        finally:
            self._uploading[project] -= 1
            if not self._uploading[project]:
                del self._uploading[project]

    def cut_off(self, key_ids: frozenset[str]) -> None:
        """Ends what is under way for keys that hold no more: uploads, streams, downloads."""
        for key_id in key_ids:
            for request in self._underway.get(key_id, ()):
                request.cut_off()

    def _spend(self, owner: Owner) -> None:
        """One request out of a bucket that fills steadily and holds what comes in one second."""
        rate = self._limits.requests_per_second
        if not rate:
            return
        moment = time.monotonic()
        left, filled_at = self._buckets.get(owner, (float(rate), moment))
        left = min(float(rate), left + (moment - filled_at) * rate)
        if left < 1:
            raise QuotaExceeded(f"{rate} requests a second are allowed with one key", code="too_many_requests")
        if owner not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[owner] = (left - 1, moment)

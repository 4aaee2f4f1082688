"""How much one key may ask of this process: requests a second, requests at once, uploads at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import QuotaExceeded
from app.storage.keys import Principal

Owner = str | None
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class TrafficLimits:
    """Of each key, in each process: 0 requests a second for no limit."""

    requests_per_second: int
    requests_at_once: int
    uploads_at_once: int


class Traffic:
    """Counts what is under way, by key; without keys, all of it together. Lives on one event loop."""

    def __init__(self, limits: TrafficLimits) -> None:
        self._limits = limits
        self._running: dict[Owner, set[asyncio.Task[object]]] = {}
        self._uploading: dict[str, int] = {}
        self._buckets: dict[Owner, tuple[float, float]] = {}

    @contextmanager
    def request(self, principal: Principal) -> Iterator[None]:
        """Around one request of `principal`. Raises `QuotaExceeded` where it is one too many."""
        self._spend(principal.key_id)
        running = self._running.setdefault(principal.key_id, set())
        if len(running) >= self._limits.requests_at_once:
            raise QuotaExceeded(
                f"{len(running)} requests of this key are being answered, which is as many as may be at once",
                code="too_many_at_once",
            )
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            yield
        finally:
            running.discard(task)
            if not running:
                self._running.pop(principal.key_id, None)

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

    def end(self, key_ids: frozenset[str]) -> None:
        """Cancels what is under way for keys that hold no more: streams, downloads, uploads."""
        for key_id in key_ids:
            for task in self._running.get(key_id, ()):
                task.cancel()

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

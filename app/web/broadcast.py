"""One poller a process for all event streams: it looks which runs have something new, and wakes their readers."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence

from app.errors import DropnormError
from app.storage import events
from app.storage.database import Database
from app.storage.tables import EventRow

POLL_SECONDS = 0.1
GONE = sys.maxsize
_LOG = logging.getLogger("dropnorm.web")


class Broadcast:
    """`follow` gives a run's events as they come. Nothing is polled while nobody follows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self, run_id: str, after: int) -> AsyncIterator[EventRow | None]:
        """A run's events behind number `after`, oldest first; None when nothing came for a while.

        Ends behind the run's `end`, and where the run is deleted.
        """
        self._followers[run_id] = self._followers.get(run_id, 0) + 1
        self._start()
        try:
            while not self._closed:
                rows = await asyncio.to_thread(self._read, run_id, after)
                for row in rows:
                    yield row
                    after = row.seq
                    if row.kind == "end":
                        return
                if rows:
                    continue
                if await asyncio.to_thread(self._ended, run_id, after):
                    return
                if not await self._wait(run_id, after):
                    yield None
        finally:
            self._followers[run_id] -= 1
            if not self._followers[run_id]:
                del self._followers[run_id]
                self._newest.pop(run_id, None)

    def end(self) -> None:
        """Has every stream end, now and from now on, so that the server can stop. Called on the event loop."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    async def close(self) -> None:
        """The same, and waits until all of them were told."""
        self.end()
        if self._ending is not None:
            await self._ending

    async def _end(self) -> None:
        self._closed = True
        if self._poller is not None:
            self._poller.cancel()
        async with self._news:
            self._news.notify_all()

    async def _wait(self, run_id: str, after: int) -> bool:
        """Waits for news of a run, a few seconds at most; answers whether there are any."""
        try:
            async with asyncio.timeout(10), self._news:
                await self._news.wait_for(lambda: self._closed or self._newest.get(run_id, 0) > after)
        except TimeoutError:
            return False
        return True

    def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while self._followers:
            try:
                await self._tell(await asyncio.to_thread(self._look, list(self._followers)))
            except DropnormError as error:
                _LOG.warning("events could not be read: %s", error.detail)
            except Exception:  # noqa: BLE001 - it is logged, and asked again
                # A poller that ends would leave every stream waiting.
                _LOG.exception("events could not be read")
            await asyncio.sleep(POLL_SECONDS)

    async def _tell(self, newest: dict[str, int]) -> None:
        # Whoever left meanwhile is not to be remembered.
        more = {run: seq for run, seq in newest.items() if run in self._followers and self._newest.get(run, 0) < seq}
        self._newest.update(more)
        if more:
            async with self._news:
                self._news.notify_all()

    def _look(self, run_ids: list[str]) -> dict[str, int]:
        """The number of each run's newest event. A run has one from its start, so that one without is gone."""
        with self._database.read() as session:
            return dict.fromkeys(run_ids, GONE) | events.newest(session, run_ids)

    def _ended(self, run_id: str, after: int) -> bool:
        with self._database.read() as session:
            return events.ended_by(session, run_id, after)

    def _read(self, run_id: str, after: int) -> Sequence[EventRow]:
        with self._database.read() as session:
            return events.after(session, run_id, after)

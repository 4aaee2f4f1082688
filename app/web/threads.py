"""Threads for what would hold up the event loop, each kind apart, so that none keeps the others waiting."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from app.errors import Unavailable

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Threads(ThreadPoolExecutor):
    """Threads that know for which request they work, so that what they log names it."""

    def submit(self, fn: Callable[Given, Answer], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Answer]:
        work: Callable[[], Answer] = partial(fn, *args, **kwargs)
        return super().submit(copy_context().run, work)


class FewThreads:
    """Threads for work of some seconds, for which no more than `most` callers are let in at once."""

    def __init__(self, threads: int, name: str, most: int) -> None:
        self._threads, self._room = Threads(threads, name), threading.BoundedSemaphore(most)

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What `work` answers, once a thread is free. Raises `Unavailable` at once where too many wait already."""
        if not self._room.acquire(blocking=False):
            raise Unavailable("too much of this is asked for at once; try again soon", code="too_busy")
        future = self._threads.submit(work)
        # Not when the caller stops waiting: the thread may be at it still.
        future.add_done_callback(lambda done: self._room.release())
        return await asyncio.wrap_future(future)

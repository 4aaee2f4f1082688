"""The load on a server, in a process of its own: raw protocols on uvloop, with request bytes that are made beforehand.

`Load.closed`: some connections, each of which sends its next request when it has its answer. `Load.steady`: requests at
a constant rate, whatever the server does, each timed from the moment at which it was due.
"""

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

import uvloop

from benchmarks.serving_window import OK, Timed, Window

SHED = 503


def _window(
    port: int, request: bytes, connections: int, seconds: float, rate: float | None, accepted: frozenset[int]
) -> Timed:
    async def run() -> Timed:
        return await Window(request, seconds, rate, accepted).run(port, connections)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


class Load:
    """The process that makes the load, on one core where one is given."""

    def __init__(self, core: int | None) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawn, _pin, (core,))

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def closed(self, port: int, request: bytes, connections: int, seconds: float) -> Timed:
        """Raises `LoadFailed` for any answer but a 200."""
        work = self._pool.submit(_window, port, request, connections, seconds, None, frozenset({OK}))
        return work.result()

    def steady(self, port: int, request: bytes, connections: int, seconds: float, rate: float) -> Timed:
        """`rate` requests a second. Raises `LoadFailed` for any answer but a 200 and a 503."""
        work = self._pool.submit(_window, port, request, connections, seconds, rate, frozenset({OK, SHED}))
        return work.result()

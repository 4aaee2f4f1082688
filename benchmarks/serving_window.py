"""One window of load: connections that are kept alive, and the time of each answer."""

import asyncio
import gc
import re
from array import array
from collections import deque
from dataclasses import dataclass
from time import perf_counter

PATIENCE_SECONDS = 30.0
TICK_SECONDS = 0.001
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
LAST_CHUNK = b"0\r\n\r\n"
OK = 200


class LoadFailed(Exception):
    """A server answered otherwise than it should, or not at all."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The answers of one window: milliseconds by status, sorted, and how long the window was."""

    seconds: float
    milliseconds: dict[int, "array[float]"]

    @property
    def requests(self) -> int:
        return sum(map(len, self.milliseconds.values()))

    def percentile(self, percent: float, status: int = OK) -> float:
        """In milliseconds, of the answers with this status; not a number where there is none."""
        found = self.milliseconds.get(status)
        return found[min(len(found) - 1, int(len(found) * percent / 100))] if found else float("nan")


class Connection(asyncio.Protocol):
    """One connection that is kept alive, and has one request under way at the most."""

    def __init__(self, window: "Window") -> None:
        self._window = window
        self._answer, self._whole, self._status = b"", 0, 0
        self.began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._window.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._window.lost(self, exc)

    def close(self) -> None:
        self._transport.close()

    def ask(self, began: float) -> None:
        self.began = began
        self._transport.write(self._window.request)

    def data_received(self, data: bytes) -> None:
        if self._answer:
            data = self._answer + data
        if not self._is_whole(data):
            self._answer = data
            return
        self._answer, self._whole = b"", 0
        self._window.answered(self, self._status, data)

    def _is_whole(self, data: bytes) -> bool:
        if not self._whole:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._status = int(data[9:12])
            length = LENGTH.search(data, 0, end)
            if length is None:
                return data.endswith(LAST_CHUNK)
            self._whole = end + 4 + int(length[1])
        return len(data) >= self._whole


class Window:
    """Some seconds of load. `rate` None: each connection asks again as soon as it is answered.

    `accepted` are the statuses that may come; any other ends the window.
    """

    def __init__(self, request: bytes, seconds: float, rate: float | None, accepted: frozenset[int]) -> None:
        self.request = request
        self._seconds, self._rate, self._accepted = seconds, rate, accepted
        self._took: dict[int, array[float]] = {}
        self._idle: list[Connection] = []
        self._due: deque[float] = deque()
        self._sent = self._underway = 0
        self._over = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, port: int, connections: int) -> Timed:
        self._port = port
        for _ in range(connections):
            await self._open()
        gc.collect()
        gc.disable()
        self._began = perf_counter()
        asyncio.get_running_loop().call_later(self._seconds, self._stop)
        if self._rate is None:
            while self._idle:
                self._ask(self._idle.pop(), perf_counter())
        else:
            self._tick()
        try:
            await asyncio.wait_for(self._ended, self._seconds + PATIENCE_SECONDS)
        finally:
            gc.enable()
        took = perf_counter() - self._began
        for connection in self._idle:
            connection.close()
        return Timed(took, {status: array("d", sorted(found)) for status, found in self._took.items()})

    def idle(self, connection: Connection) -> None:
        self._idle.append(connection)

    def answered(self, connection: Connection, status: int, answer: bytes) -> None:
        moment = perf_counter()
        if status not in self._accepted:
            self._fail(f"status {status}: {answer[:1000]!r}")
            return
        self._took.setdefault(status, array("d")).append(1000 * (moment - connection.began))
        self._underway -= 1
        if self._due:
            self._ask(connection, self._due.popleft())
        elif self._over or self._rate is not None:
            self._idle.append(connection)
            self._end_if_answered()
        else:
            self._ask(connection, moment)

    def lost(self, connection: Connection, error: Exception | None) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
            if self._rate is not None and not self._over:
                # Whoever sheds load may close the connection behind it.
                self._opening = asyncio.ensure_future(self._open())
        elif not self._ended.done():
            self._fail(f"a connection was closed without an answer: {error}")

    async def _open(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Connection(self), "127.0.0.1", self._port)

    def _ask(self, connection: Connection, began: float) -> None:
        self._underway += 1
        connection.ask(began)

    def _tick(self) -> None:
        assert self._rate is not None
        if self._over:
            return
        due = int((perf_counter() - self._began) * self._rate)
        for number in range(self._sent, due):
            moment = self._began + number / self._rate
            if self._idle:
                self._ask(self._idle.pop(), moment)
            else:
                self._due.append(moment)
        self._sent = due
        asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _stop(self) -> None:
        self._over = True
        self._end_if_answered()

    def _end_if_answered(self) -> None:
        if self._over and not self._underway and not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, message: str) -> None:
        self._over = True
        if not self._ended.done():
            self._ended.set_exception(LoadFailed(message))

"""How much of a body is taken in, how fast it must come, and how much of all bodies may lie in memory at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope

from app.errors import TooLarge, TooSlow, Unavailable, UnsupportedType, shown
from app.web import scopes
from app.web.streaming import streamed

UPLOADS = "/api/v1/datasets"
LEAST_BYTES_PER_SECOND = 8_000
"""What a body must bring on average, once its time of grace is over."""
HELD = "dropnorm.held"
"""Where the scope of a request has its `Body`, for what makes more bytes of it."""
LOOK_SECONDS = 0.5
"""How often late bodies are looked for. A timer for each part of each would cost a request more than its network."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes of an upload, of any other body, and of all of these together; seconds of grace for a slow client."""

    upload_bytes: int
    body_bytes: int
    buffered_bytes: int
    seconds: float


class Bodies:
    """All bodies that are on the way, and what those in memory take together. Lives on one event loop."""

    def __init__(self, limits: BodyLimits) -> None:
        self.limits, self.held_bytes = limits, 0
        self._open: set[Body] = set()
        self._looking = False

    def begin(self, receive: Receive, *, streams: bool) -> "Body":
        """A body that is to come; `streams`: to disk and not to memory. Must be closed."""
        body = Body(self, receive, streams)
        self._open.add(body)
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        return body

    def end(self, body: "Body") -> None:
        """Nothing more is wanted of a body."""
        self._open.discard(body)

    def take(self, count: int) -> None:
        """Raises `Unavailable` where there is no room in memory for so many bytes more just now."""
        if self.held_bytes + count > self.limits.buffered_bytes:
            raise Unavailable("too many large bodies are being received; try again soon", code="overloaded")
        self.held_bytes += count

    def take_whole(self, count: int) -> None:
        """For a body of so many bytes that has come already. Raises as `take` does, and `TooLarge`."""
        if count > self.limits.body_bytes:
            raise too_large(self.limits.body_bytes)
        self.take(count)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        for body in self._open:
            body.end_if_late(loop.time())
        self._looking = bool(self._open)
        if self._looking:
            loop.call_later(LOOK_SECONDS, self._look)


class Body:
    """One request's body, counted while it streams. `close` gives its room in memory back."""

    __slots__ = ("_began", "_bodies", "_is_late", "_most_bytes", "_receive", "_received", "_streams", "_task", "whole")

    def __init__(self, bodies: Bodies, receive: Receive, streams: bool) -> None:
        self._bodies, self._receive, self._streams = bodies, receive, streams
        limits = bodies.limits
        self._most_bytes = limits.upload_bytes if streams else limits.body_bytes
        self._began = asyncio.get_running_loop().time()
        self._received = 0
        self._is_late = False
        self._task: asyncio.Task[object] | None = None
        self.whole = False

    async def receive(self) -> Message:
        """The next part. Raises `TooLarge`, `TooSlow`, and `Unavailable` where memory has no room for it."""
        if self.whole:
            # What comes now is that the client has gone, whenever it goes.
            return await self._receive()
        self._task = asyncio.current_task()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self._is_late or self._task is None:
                raise
            self._task.uncancel()
            raise TooSlow(f"{self._received} bytes of the body have come, which is too slow; send it faster") from None
        finally:
            self._task = None
        self._take(len(message.get("body", b"")))
        if not message.get("more_body", False):
            self.whole = True
            self._bodies.end(self)
        return message

    def end_if_late(self, moment: float) -> None:
        """Ends the wait for the next part where there is one, and the body has had its time."""
        allowed = self._bodies.limits.seconds + self._received / LEAST_BYTES_PER_SECOND
        if self._task is not None and moment - self._began > allowed:
            self._is_late = True
            self._task.cancel()

    def hold(self, count: int) -> None:
        """Counts what was made of the body, such as what it inflates to, as if it were sent. Raises as `receive`."""
        self._take(count)

    def close(self) -> None:
        self._bodies.end(self)
        if not self._streams:
            self._bodies.held_bytes -= self._received
            self._received = 0

    def _take(self, count: int) -> None:
        if self._received + count > self._most_bytes:
            raise too_large(self._most_bytes)
        if not self._streams:
            self._bodies.take(count)
        self._received += count


def check_body(scope: Scope, headers: Mapping[bytes, bytes], limits: BodyLimits) -> bool:
    """Whether the body streams on, as a file does to disk and a table to what answers it; all else is held in memory.

    Raises `TooLarge` by the length that is declared, and `UnsupportedType` for one that is encoded.
    """
    uploads = scope["path"] == UPLOADS and headers.get(b"content-type", b"").startswith(b"multipart/")
    streams = uploads or streamed(scope["path"], headers) is not None
    most = limits.upload_bytes if streams else limits.body_bytes
    declared = headers.get(b"content-length", b"0").decode("latin-1")
    if not declared.isdecimal() or int(declared) > most:
        raise too_large(most)
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding != "identity" and not scopes.inflates(scope["method"], scope["path"]):
        raise UnsupportedType(
            f"send the body as it is, without Content-Encoding; received {shown(encoding)}",
            code="encoding_unsupported",
        )
    return streams


def too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most_bytes} bytes", code="body_too_large")

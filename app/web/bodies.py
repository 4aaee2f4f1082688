"""How much of a body is taken in, how fast it must come, and how much of all bodies may lie in memory at once."""

import asyncio
from dataclasses import dataclass

from starlette.types import Message, Receive

from app.errors import TooLarge, TooSlow, Unavailable

LEAST_BYTES_PER_SECOND = 8_000
"""What a body must bring on average, once its time of grace is over."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes of an upload, of any other body, and of all of these together; seconds of grace for a slow client."""

    upload_bytes: int
    body_bytes: int
    buffered_bytes: int
    seconds: float


class Budget:
    """What all bodies that lie in memory may take together."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.held_bytes = most_bytes, 0

    def take(self, count: int) -> None:
        """Raises `Unavailable` where there is no room for so many bytes more just now."""
        if self.held_bytes + count > self.most_bytes:
            raise Unavailable("too many large bodies are being received; try again soon", code="overloaded")
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        self.held_bytes -= count


class Body:
    """One request's body, counted while it streams. `close` gives its room in memory back.

    `budget` is None for a body that streams to disk.
    """

    def __init__(self, receive: Receive, most_bytes: int, seconds: float, budget: Budget | None) -> None:
        self._receive, self._most_bytes, self._budget = receive, most_bytes, budget
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._received = 0
        self._whole = False

    async def receive(self) -> Message:
        """The next part. Raises `TooLarge`, `TooSlow`, and `Unavailable` where memory has no room for it."""
        if self._whole:
            # What comes now is that the client has gone, whenever it goes.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline + self._received / LEAST_BYTES_PER_SECOND):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow(f"{self._received} bytes of the body have come, which is too slow; send it faster") from None
        self._whole = not message.get("more_body", False)
        self._take(len(message.get("body", b"")))
        return message

    def close(self) -> None:
        if self._budget is not None:
            self._budget.give_back(self._received)
            self._budget = None

    def _take(self, count: int) -> None:
        if self._received + count > self._most_bytes:
            raise too_large(self._most_bytes)
        if self._budget is not None:
            self._budget.take(count)
        self._received += count


def too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most_bytes} bytes", code="body_too_large")

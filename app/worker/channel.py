"""What supervisor and trainer say to one another: JSON lines over two pipes."""

import os
import select
from collections.abc import Iterator
from typing import IO, Any

import orjson

Message = dict[str, Any]


class Sender:
    """Writes messages, each whole, to a pipe; each names the `folder` of the attempt that it is about, if any."""

    def __init__(self, stream: IO[bytes], folder: str | None = None) -> None:
        self._stream, self._folder = stream, folder

    def about(self, folder: str) -> "Sender":
        """A sender to the same pipe, for one attempt."""
        return Sender(self._stream, folder)

    def send(self, message: Message) -> None:
        """Raises `BrokenPipeError` when nobody reads any more."""
        self._stream.write(orjson.dumps({"folder": self._folder, **message}) + b"\n")
        self._stream.flush()


class Receiver:
    """Reads messages from a pipe without ever waiting longer than asked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.closed = False

    def receive(self, timeout_seconds: float) -> Iterator[Message]:
        """All messages that are there, waiting at most `timeout_seconds` for the first of them."""
        if self.closed or not select.select([self._descriptor], [], [], timeout_seconds)[0]:
            return
        chunk = os.read(self._descriptor, 1 << 20)
        if not chunk:
            self.closed = True
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield orjson.loads(line)

"""Bounds on what comes before a request is known to be one, and on how many connections there are."""

import asyncio
import contextlib
import resource
import socket
from functools import cache

from orjson import dumps
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""From a connection's beginning, or a request's first byte, until its headers are whole; and for what comes of a body
behind its answer."""
HEADER_BYTES = 64 << 10
MOST_CONNECTIONS = 2_000
OTHER_FILES = 200
"""What a process needs besides connections: files of the database, models, logs."""
UNREAD_SECONDS = 60
"""How long a client may leave an answer unread before the kernel ends the connection."""
PROBLEMS = {
    400: ("Bad Request", "request_malformed", "this is no HTTP request"),
    431: ("Request Header Fields Too Large", "headers_too_large", f"the headers are larger than {HEADER_BYTES} bytes"),
    503: ("Service Unavailable", "overloaded", "too many connections are open; try again soon"),
}


class _Nowhere(list[tuple[bytes, bytes]]):
    """Takes headers and keeps none."""

    def append(self, header: tuple[bytes, bytes]) -> None:
        """Forgets it."""


_NOWHERE = _Nowhere()


@cache
def most_connections() -> int:
    """As many as there may be, and as the system lets this process have."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_CONNECTIONS, max(allowed - OTHER_FILES, allowed // 2))


class BoundedConnection(HttpToolsProtocol):
    """Ends what is slow, endless or one too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Bytes that were neither the end of headers nor any of a body: headers to be, extensions of chunks, trailers.
        self._fruitless_bytes, self._got_on = 0, False
        self._in_headers = self._in_message = False
        self._timer: asyncio.TimerHandle | None = None
        self._wait()
        listener = transport.get_extra_info("socket")
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        if len(self.connections) > most_connections():
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether what comes next is the first byte of a request, and nothing is asked yet."""
        return not self._in_message and (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def data_received(self, data: bytes) -> None:
        self._got_on = False
        super().data_received(data)
        self._fruitless_bytes = 0 if self._got_on else self._fruitless_bytes + len(data)
        if self._fruitless_bytes > HEADER_BYTES:
            self._refuse(431)
        elif self._in_headers or self.cycle is None or self.cycle.response_complete:
            # The server stopped its own clock at the first byte, whether or not a request has begun with it.
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._in_message = True

    def on_headers_complete(self) -> None:
        self._in_headers, self._got_on = False, True
        if self._timer is not None:
            self._wait_no_more()
        super().on_headers_complete()
        # What stands behind a body would else become a header of the request, and be kept without end.
        self.headers = _NOWHERE

    def on_chunk_header(self) -> None:
        self._got_on = True

    def on_body(self, body: bytes) -> None:
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message, self._got_on = False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self.transport.is_closing():
            # Nobody reads what is still to come of the body; it is waited for as headers are.
            self._wait()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400)

    def _unsupported_upgrade_warning(self) -> None:
        """Tells nobody: whoever asks for an upgrade would else write a line into the log with each request."""

    def _wait(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        # Nobody is told: what comes so slowly, or not at all, reads nothing either.
        self.transport.abort()

    def _refuse(self, status: int) -> None:
        self._wait_no_more()
        if self.transport.is_closing():
            return
        title, code, detail = PROBLEMS[status]
        body = dumps(
            {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "errors": []}
        )
        head = (
            f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\nretry-after: 2\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

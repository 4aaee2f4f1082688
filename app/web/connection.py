"""One connection of the server: uvicorn's, with bounds on what comes before a request is known to be one."""

import asyncio
import contextlib
import socket

from orjson import dumps
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.web.context import Context

HEADER_SECONDS = 10.0
"""From a connection's beginning, or a request's first byte, until its headers are whole."""
HEADER_BYTES = 64 << 10
MOST_CONNECTIONS = 2_000
UNREAD_SECONDS = 60
"""How long a client may leave an answer unread before the kernel ends the connection."""
PROBLEMS = {
    400: ("Bad Request", "request_malformed", "this is no HTTP request"),
    431: ("Request Header Fields Too Large", "headers_too_large", f"the headers are larger than {HEADER_BYTES} bytes"),
    503: ("Service Unavailable", "overloaded", "too many connections are open; try again soon"),
}


class Connection(HttpToolsProtocol):
    """Ends what is slow, endless or one too many, and event streams when the server begins to stop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begun_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wait_for_headers()
        listener = transport.get_extra_info("socket")
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_are_whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._begun_bytes += len(data)
        super().data_received(data)
        # What stands behind whole headers in the same packet is no part of them.
        if self._timer is not None and self._begun_bytes > HEADER_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        self._headers_are_whole()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400)

    def shutdown(self) -> None:
        context = self.app_state.get("context")
        if isinstance(context, Context):
            # The server waits for the streams, which would else never end.
            context.broadcast.end()
        super().shutdown()

    def _wait_for_headers(self) -> None:
        if self._timer is None:
            self._begun_bytes = 0
            self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _headers_are_whole(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        # Nobody is told: what comes so slowly, or not at all, reads nothing either.
        self.transport.abort()

    def _refuse(self, status: int) -> None:
        self._headers_are_whole()
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

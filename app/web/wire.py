"""A short way between an application and uvicorn: a body that has all come, and an answer that is whole.

ASGI's way asks for a message for each part, and checks every header of every answer; that costs more than a prediction.
What is offered in `scope["extensions"]` may be left alone: the usual messages work as ever.
"""

from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = list[tuple[bytes, bytes]]


class Wire:
    """One request and its answer, by the server's own record of it (`cycle`)."""

    NAME: ClassVar = "dropnorm.wire"
    __slots__ = ("_cycle",)
    _dated: ClassVar[tuple[Headers | None, bytes]] = (None, b"")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def body(self) -> bytes | None:
        """The whole body, if all of it has come, and nobody has read any; else None, and `receive` goes on as ever."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.response_complete:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        return body

    def answer(self, lines: bytes, body: bytes, status: int = 200) -> bool:
        """Answers with these header lines (each ended by CRLF; no content-length among them) and this body.

        False where it cannot be done in one go: something was sent before, or the client reads too slowly.
        """
        cycle = self._cycle
        if cycle.response_started or cycle.flow.write_paused:
            return False
        if cycle.disconnected:
            return True
        cycle.response_started = cycle.response_complete = True
        closing = b"" if cycle.keep_alive else b"connection: close\r\n"
        head = b"%b%b%b%bcontent-length: %d\r\n\r\n" % (
            STATUS_LINE[status],
            self._date_lines(cycle.default_headers), lines, closing, len(body),
        )  # fmt: skip
        # A body behind the answer to a HEAD would be taken for the beginning of the next one.
        cycle.transport.write(head if cycle.scope["method"] == "HEAD" else head + body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    @classmethod
    def _date_lines(cls, headers: Headers) -> bytes:
        # The server makes a new list each second.
        if cls._dated[0] is not headers:
            cls._dated = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return cls._dated[1]

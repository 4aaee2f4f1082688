"""A short way between an application and uvicorn: a body that has all come, and an answer that is whole.

ASGI's way asks for a message for each part, and checks every header of every answer; that costs more than a prediction.
What is offered in `scope["extensions"]` may be left alone: the usual messages work as ever.
"""

from typing import ClassVar, Protocol

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = list[tuple[bytes, bytes]]
WIRE = "dropnorm.wire"
"""Among a scope's extensions."""


class Wire(Protocol):
    """One request and its answer."""

    def body(self) -> bytes | None:
        """The whole body, if all of it has come, and nobody has read any; else None, and `receive` goes on as ever."""

    def answer(self, lines: bytes, body: bytes, status: int = 200) -> bool:
        """Answers with these header lines (each ended by CRLF; no content-length among them) and this body.

        False where it cannot be done in one go: something was sent before, or the client reads too slowly.
        """


def wire_of(scope: Scope) -> Wire | None:
    """What the server offers with a request, if it does."""
    wire: Wire | None = scope.get("extensions", {}).get(WIRE)
    return wire


class CycleWire:
    """By the server's own record of a request (`cycle`)."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def body(self) -> bytes | None:
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.response_complete:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        return body

    def answer(self, lines: bytes, body: bytes, status: int = 200) -> bool:
        cycle = self._cycle
        if cycle.response_started or cycle.flow.write_paused:
            return False
        if cycle.disconnected:
            return True
        cycle.response_started = cycle.response_complete = True
        # A body behind the answer to a HEAD would be taken for the beginning of the next one.
        shown = b"" if cycle.scope["method"] == "HEAD" else body
        answer = answer_of(status, cycle.default_headers, lines, len(body), shown, keep_alive=cycle.keep_alive)
        cycle.transport.write(answer)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


class _Dated:
    """The header lines that the server has on every answer, as bytes."""

    headers: ClassVar[Headers | None] = None
    lines: ClassVar[bytes] = b""


def answer_of(status: int, default: Headers, lines: bytes, length: int, body: bytes, *, keep_alive: bool) -> bytes:
    """A whole answer: `default` headers, `lines`, and a `body` that is `length` long wherever it is shown."""
    # The server makes a new list each second.
    if _Dated.headers is not default:
        _Dated.headers, _Dated.lines = default, b"".join([b"%b: %b\r\n" % header for header in default])
    closing = b"" if keep_alive else b"connection: close\r\n"
    return b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (STATUS_LINE[status], _Dated.lines, lines, closing, length, body)

"""What goes out: every answer with headers that keep browsers from doing more with it than was meant."""

from collections.abc import Sequence

from starlette.types import Message, Scope, Send

from app.tracing import RequestSpan
from app.web.wire import Wire, wire_of

EXCHANGE = "dropnorm.exchange"
HEADERS_BY_NAME = "dropnorm.headers"
"""In a scope: the request's headers by name; of one that stands twice, the first."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""On every answer that does not say otherwise of itself."""
PIECE_BYTES = 256 << 10
NAMES = frozenset(name for name, _ in HEADERS)
_LINES = b"".join(b"%b: %b\r\n" % header for header in HEADERS)


class Exchange:
    """One request and what was answered so far. `scope` is the innermost one that it came to.

    Put into the scope (`EXCHANGE`) by the outermost layer, so that all of them send through one.
    """

    __slots__ = ("_id", "_send", "_wire", "bytes_sent", "complete", "scope", "span", "started", "status")

    def __init__(self, scope: Scope, send: Send, id: bytes, wire: Wire | None) -> None:
        self.scope, self._send, self._id, self._wire = scope, send, id, wire
        self.status = self.bytes_sent = 0
        self.started = self.complete = False
        self.span: RequestSpan | None = None

    @property
    def id(self) -> str:
        """What the access log and the answer name the request by."""
        return self._id.decode()

    @property
    def wire(self) -> Wire | None:
        """The short way to the server, where it has one."""
        return self._wire

    async def send(self, message: Message) -> None:
        """Sends on a part of the answer: headers with those that every answer has, a body in pieces."""
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            given = message.get("headers", ())
            said = NAMES.intersection([name for name, _ in given])
            added = HEADERS if not said else [header for header in HEADERS if header[0] not in said]
            message["headers"] = [*given, *added, (b"x-request-id", self._id)]
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self.bytes_sent += len(body)
            self.complete = not message.get("more_body", False)
            if len(body) > PIECE_BYTES:
                await self._send_in_pieces(message)
                return
        await self._send(message)

    def whole_body(self) -> bytes | None:
        """The request's body where all of it has come; it is not to be received any more then."""
        return None if self._wire is None else self._wire.body()

    def answer_at_once(self, body: bytes, media_type: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> bool:
        """One whole answer of success, written in one go; False where the server cannot do that now.

        `more` headers are its own.
        """
        if self._wire is None or len(body) > PIECE_BYTES:
            return False
        lines = b"content-type: %b\r\n%bx-request-id: %b\r\n" % (media_type, _LINES, self._id)
        if more:
            lines += b"".join([b"%b: %b\r\n" % header for header in more])
        if not self._wire.answer(lines, body):
            return False
        self.status, self.started, self.complete, self.bytes_sent = 200, True, True, len(body)
        return True

    async def answer(self, body: bytes, media_type: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """One whole answer of success, in whatever way."""
        if self.answer_at_once(body, media_type, more):
            return
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *more]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def _send_in_pieces(self, message: Message) -> None:
        """So that the server waits for whoever reads, and the request is not over before its answer has gone."""
        body, more = memoryview(message["body"]), message.get("more_body", False)
        for start in range(0, len(body), PIECE_BYTES):
            piece = bytes(body[start : start + PIECE_BYTES])
            last = start + PIECE_BYTES >= len(body)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more or not last})


def exchange_of(scope: Scope, send: Send) -> Exchange:
    """The exchange that a request is part of; a new one where nothing around has made it."""
    found: Exchange | None = scope.get(EXCHANGE)
    if found is None:
        found = scope[EXCHANGE] = Exchange(scope, send, b"-", wire_of(scope))
    return found

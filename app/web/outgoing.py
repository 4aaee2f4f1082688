"""What goes out: every answer with headers that keep browsers from doing more with it than was meant."""

from starlette.types import Message, Send

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


class Outgoing:
    """One answer; `started` once it has begun."""

    __slots__ = ("_send", "started")

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = message.get("headers", ())
            said = NAMES.intersection([name for name, _ in given])
            message["headers"] = [*given, *(HEADERS if not said else [one for one in HEADERS if one[0] not in said])]
        elif len(message.get("body", b"")) > PIECE_BYTES:
            await self._send_in_pieces(message)
            return
        await self._send(message)

    async def _send_in_pieces(self, message: Message) -> None:
        """So that the server waits for whoever reads, and the request is not over before its answer has gone."""
        body, more = memoryview(message["body"]), message.get("more_body", False)
        for start in range(0, len(body), PIECE_BYTES):
            piece = bytes(body[start : start + PIECE_BYTES])
            last = start + PIECE_BYTES >= len(body)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more or not last})

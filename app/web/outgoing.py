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


class Outgoing:
    """One answer; `started` once it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = message.get("headers", [])
            names = {name for name, _ in given}
            message = {**message, "headers": [*given, *(header for header in HEADERS if header[0] not in names)]}
        await self._send(message)

"""The outermost middleware, in plain ASGI: hosts, origins, body sizes and safe headers, for everything behind it."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge
from app.web.errors import answer_of, problem

UPLOADS = "/api/v1/datasets"


class Access:
    """Refuses strangers' hosts and origins, and bodies past the limit, counted while they stream."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], body_bytes: int, upload_bytes: int) -> None:
        self.app, self.hosts, self.body_bytes, self.upload_bytes = app, frozenset(hosts), body_bytes, upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "HEAD":
            # The server leaves the body out by the scope that it made itself.
            scope = {**scope, "method": "GET"}
        sender = _guarded(send)
        if not self._known(headers.get("host", "")):
            await problem(400, "host_not_allowed", "this service does not answer under that Host")(
                scope, receive, sender
            )
        elif "origin" in headers and not self._same_origin(headers):
            await problem(403, "origin_not_allowed", "pages of another origin may not call this service")(
                scope, receive, sender
            )
        else:
            await self._bounded(scope, headers, receive, sender)

    async def _bounded(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        # A file streams to disk; anything else is held in memory.
        streams = scope["path"] == UPLOADS and headers.get("content-type", "").startswith("multipart/")
        limit = self.upload_bytes if streams else self.body_bytes
        too_large = TooLarge(f"the body is larger than {limit} bytes", code="body_too_large")
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > limit:
            await answer_of(too_large)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large
            return message

        await self.app(scope, counted, send)

    def _known(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return "*" in self.hosts or name.lower() in self.hosts

    def _same_origin(self, headers: Headers) -> bool:
        return urlsplit(headers["origin"]).netloc.lower() == headers.get("host", "").lower()


def _guarded(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Referrer-Policy", "no-referrer")
        await send(message)

    return sender

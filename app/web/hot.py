"""The short way to what is asked most: plain ASGI callables, picked by path before any framework sees the request.

A framework's route costs more than a network. Everything else goes on to the application within.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.access import BODY
from app.web.outgoing import exchange_of

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
GONE = 499
"""nginx's word for a client that left: nobody reads it but the log."""


class Hot(Protocol):
    """One family of paths. `prefix` is what all of them begin with; `templates` are theirs, for figures and logs."""

    prefix: str
    templates: Mapping[Endpoint, str]

    def find(self, scope: Scope) -> Endpoint | None:
        """What answers to the request, its path taken apart into `scope["path_params"]`; None for none of these."""

    def routes(self) -> Sequence[Route]:
        """The same as the framework's routes, which tell what else is asked of these paths that it is not possible."""


class ShortWay:
    """`families` in front of `app`."""

    def __init__(self, app: ASGIApp, families: Sequence[Hot]) -> None:
        self._app = app
        self._families = [(family.prefix, family.find) for family in families]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            for prefix, find in self._families:
                if path.startswith(prefix) and (endpoint := find(scope)) is not None:
                    scope["endpoint"] = endpoint
                    # Those before may have handed on a copy.
                    exchange_of(scope, send).scope = scope
                    try:
                        await endpoint(scope, receive, send)
                    except ClientDisconnect:
                        await send({"type": "http.response.start", "status": GONE, "headers": []})
                        await send({"type": "http.response.body", "body": b""})
                    return
        await self._app(scope, receive, send)


def receiving(scope: Scope, receive: Receive) -> Receive:
    """`receive`, for whoever reads a body part by part: one that has come already is its only part."""
    body: bytes | None = scope.get(BODY)
    if body is None:
        return receive
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


async def whole_body(scope: Scope, receive: Receive) -> bytes:
    """The body of a request. Raises `ClientDisconnect` where the client leaves before all of it has come."""
    body: bytes | None = scope.get(BODY)
    if body is not None:
        return body
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def respond(scope: Scope, send: Send, body: bytes, media_type: bytes = b"application/json") -> None:
    """One whole answer of success."""
    await exchange_of(scope, send).answer(body, media_type)

"""Whether the service lives and is ready, by the paths that clients of other servers ask. They need no key.

Live: the process answers. Ready: it reads its database and its disk, and is not about to stop. A model that is being
loaded makes nothing unready, and so does no worker: answers need none.
"""

from collections.abc import Awaitable, Callable

from orjson import dumps
from starlette.types import Receive, Scope, Send

from app.web import checks
from app.web.context import Context

JSON, TEXT = b"application/json", b"text/plain; charset=utf-8"
EMPTY = b"\n"
"""All that SageMaker and MLflow expect."""


class Probe:
    """An endpoint that answers 200 or 503, and nothing else: `look` says which, and with what body."""

    def __init__(self, look: Callable[[], Awaitable[tuple[bool, bytes]]], media_type: bytes = JSON) -> None:
        self._look, self._media_type = look, media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_good, body = await self._look()
        headers = [(b"content-type", self._media_type), (b"content-length", b"%d" % len(body))]
        if not is_good:
            headers.append((b"retry-after", b"2"))
        await send({"type": "http.response.start", "status": 200 if is_good else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Probes:
    """The probes of all protocols; `version` is the service's own."""

    def __init__(self, context: Context, version: str) -> None:
        self._context, self._version = context, version
        self.live, self.ready, self.ping = Probe(self._live), Probe(self._ready), Probe(self._ping)
        self.version = Probe(self._told_version, TEXT)

    async def _live(self) -> tuple[bool, bytes]:
        # The same two words as `ready` has: KServe's client looks for one of them, older ones for the other.
        return True, dumps({"live": True, "ready": not self._context.stopping.is_set()})

    async def _ready(self) -> tuple[bool, bytes]:
        can_answer = await checks.can_answer(self._context)
        return can_answer, dumps({"live": True, "ready": can_answer})

    async def _ping(self) -> tuple[bool, bytes]:
        return await checks.can_answer(self._context), EMPTY

    async def _told_version(self) -> tuple[bool, bytes]:
        return True, self._version.encode()

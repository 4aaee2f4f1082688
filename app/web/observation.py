"""The layer around everything: each request gets its id, its line in the access log, its figures and its span.

Plain ASGI, and outside of all else, so that what is refused, breaks off or streams for hours is seen as well.
"""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from app.logs import request_id
from app.storage.keys import Principal
from app.tracing import Tracing
from app.web.access_log import LONGEST_PATH, AccessLog, Record
from app.web.metrics import Metrics
from app.web.outgoing import EXCHANGE, HEADERS_BY_NAME, Exchange
from app.web.wire import Wire, wire_of

UNKNOWN = "unknown"
GONE, FAILED = 499, 500
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOG = logging.getLogger("dropnorm.web")


class Inside:
    """Stands before the routes: what they and the layers before them write into their scope is seen from outside.

    Those may hand on a copy of the scope, so the one that the outermost layer has may lack it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope.get(EXCHANGE)
        if exchange is not None:
            exchange.scope = scope
        await self._app(scope, receive, send)


class Observation:
    """`routes` are the templates of paths by the endpoint that answers there: a raw path never becomes a label."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Mapping[object, str],
        metrics: Metrics,
        access_log: AccessLog | None,
        tracing: Tracing | None,
    ) -> None:
        self._app, self._routes, self._metrics = app, routes, metrics
        self._access_log, self._tracing = access_log, tracing
        # Unique over processes and restarts; nothing rests on nobody guessing it.
        self._prefix, self._numbers = secrets.token_hex(5).encode(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        scope[HEADERS_BY_NAME] = headers
        exchange = scope[EXCHANGE] = self.exchange(scope, headers, send, wire_of(scope))
        bound = request_id.set(exchange.id)
        if self._tracing is not None:
            exchange.span = self._tracing.request(scope["method"], scope["path"], scope["headers"], exchange.id)
        unanswered = GONE
        try:
            await self._app(scope, receive, exchange.send)
            unanswered = FAILED
        except Exception as error:
            unanswered = FAILED
            self._tell(exchange, error)
            if not exchange.complete:
                raise
        finally:
            self.note(exchange, scope, exchange.status or unanswered, time.perf_counter() - began)
            request_id.reset(bound)

    @property
    def traces(self) -> bool:
        """Whether requests have spans."""
        return self._tracing is not None

    def exchange(self, scope: Scope, headers: Mapping[bytes, bytes], send: Send, wire: Wire | None) -> Exchange:
        """The record of a request that begins."""
        given = headers.get(b"x-request-id")
        known = given is not None and _GIVEN.fullmatch(given) is not None
        return Exchange(scope, send, given if given is not None and known else self._new_id(), wire)

    def _new_id(self) -> bytes:
        return b"%b-%x" % (self._prefix, next(self._numbers))

    def _tell(self, exchange: Exchange, error: Exception) -> None:
        method, path = exchange.scope["method"], exchange.scope["path"][:LONGEST_PATH]
        if exchange.complete:
            _LOG.error("unexpected failure at %s %s", method, path, exc_info=error)
        else:
            # The server ends the connection, and tells where it failed.
            _LOG.error("the answer to %s %s broke off: %s", method, path, type(error).__name__)

    def note(self, exchange: Exchange, scope: Scope, status: int, seconds: float) -> None:
        """Tells of a request that is over; `scope` is the outermost one."""
        inner = exchange.scope
        route = self._routes.get(inner.get("endpoint"), UNKNOWN)
        # As it was asked: within, a HEAD goes as a GET.
        method = scope["method"]
        self._metrics.request(method, route, status, seconds)
        if exchange.span is not None:
            exchange.span.end(route if route != UNKNOWN else "", status)
        if self._access_log is None:
            return
        principal: Principal | None = inner.get("principal")
        self._access_log.add(
            Record(
                time.time(),
                exchange.id,
                method,
                route,
                scope["path"],
                status,
                seconds,
                exchange.bytes_sent if method != "HEAD" else 0,
                "" if principal is None else principal.key_id or "",
                "" if principal is None else principal.project,
            )
        )

"""The layer around everything: who may come in, how much they may send, what goes out.

It denies by default: a host that is not known, a page of another origin, a request without a key that holds and may do
this. Routes, mounts and plain callables all stand behind it, the ones that nobody thought of too.
"""

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import DropnormError, Unauthenticated
from app.serving.keyring import Keyring
from app.storage.keys import Principal
from app.web import scopes
from app.web.bodies import HELD, Bodies, Body, BodyLimits, check_body
from app.web.callers import Callers
from app.web.errors import answer_of, unexpected
from app.web.outgoing import HEADERS_BY_NAME, Exchange, exchange_of
from app.web.protocols.forms import form_of
from app.web.traffic import Traffic, TrafficLimits

BODY = "dropnorm.body"
"""In a scope: the whole body, where it had come with the headers."""
MOST_HOSTS = 100
"""Spellings of the hosts that are known, with a port or without, that are remembered as such."""
Headers = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Rules:
    """Hosts that may be asked for ("*": any), and limits.

    `invocations_key` stands for a POST to `/invocations` that shows none; empty: none does.
    """

    hosts: frozenset[str]
    bodies: BodyLimits
    traffic: TrafficLimits
    invocations_key: str = ""


class Access:
    """`keyring` None: no keys are asked for, and hosts and origins are what protects."""

    def __init__(self, app: ASGIApp, keyring: Keyring | None, rules: Rules) -> None:
        self.app, self._hosts = app, rules.hosts
        self._known_hosts: set[bytes] = set()
        self._stand_in = f"Bearer {rules.invocations_key}" if rules.invocations_key else ""
        self._callers = Callers(keyring)
        self.traffic = Traffic(rules.traffic)
        self._bodies = Bodies(rules.bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._callers.tell_of_revoked(self.traffic.cut_off)
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here speaks anything else.
            await send({"type": "websocket.close"})
            return
        exchange = exchange_of(scope, send)
        headers: Headers | None = scope.get(HEADERS_BY_NAME)
        if headers is None:
            headers = scope[HEADERS_BY_NAME] = dict(reversed(scope["headers"]))
        if not self._known(headers.get(b"host", b"")):
            told = "this service does not answer under that Host"
            await form_of(scope["path"])(400, "host_not_allowed", told, ())(scope, receive, exchange.send)
        elif b"origin" in headers and not _same_origin(headers):
            told = "pages of another origin may not call this service"
            await form_of(scope["path"])(403, "origin_not_allowed", told, ())(scope, receive, exchange.send)
        else:
            await self._answered(scope, headers, receive, exchange)

    async def _answered(self, scope: Scope, headers: Headers, receive: Receive, exchange: Exchange) -> None:
        """Answers whatever comes of the request, failures too."""
        try:
            await self._admitted(scope, headers, receive, exchange)
        except DropnormError as error:
            if exchange.started:
                raise
            await answer_of(error, form_of(scope["path"]))(scope, receive, exchange.send)
        except Exception:
            if not exchange.started:
                await unexpected(form_of(scope["path"]))(scope, receive, exchange.send)
            # Whatever stands around this logs it.
            raise
        except asyncio.CancelledError:
            principal: Principal | None = scope.get("principal")
            if principal is None or self._callers.holds(principal):
                raise
            await self._cut_off(scope, receive, exchange)

    async def _admitted(self, scope: Scope, headers: Headers, receive: Receive, exchange: Exchange) -> None:
        """Raises what refuses the request."""
        wanted = scopes.needed(scope["method"], scope["path"])
        digest = None if wanted is None else self.digest(scope, headers)
        principal = self._callers.known(scope, wanted, digest) or await self._callers.admit(scope, wanted, digest)
        inner = scope
        if scope["method"] == "HEAD":
            # The server leaves the body out by the scope that it made itself.
            inner = {**scope, "method": "GET"}
        if wanted is None:
            # Health and documentation are answered whatever else is asked for; they take no body.
            await self.app(inner, receive, exchange.send)
            return
        request = self.traffic.begin(principal.key_id, exchange, asyncio.current_task())
        try:
            if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
                await self.app(inner, receive, exchange.send)
                return
            streams = check_body(scope, headers, self._bodies.limits)
            request.ends_at_once = streams and wanted == scopes.PREDICT
            may_be_whole = wanted == scopes.PREDICT and b"content-encoding" not in headers
            whole = exchange.whole_body() if may_be_whole else None
            if whole is not None:
                # Where all of it has come with the headers, nothing is to be waited for.
                self._bodies.take_whole(len(whole))
                try:
                    scope[BODY] = whole
                    await self.app(inner, receive, exchange.send)
                finally:
                    self._bodies.held_bytes -= len(whole)
                return
            with self.traffic.upload(principal.project) if streams else nullcontext():
                request.body = body = self._bodies.begin(receive, streams=streams)
                await self._with_body(inner, body, exchange)
        finally:
            self.traffic.end(request)

    async def _with_body(self, scope: Scope, body: Body, exchange: Exchange) -> None:
        scope[HELD] = body
        try:
            await self.app(scope, body.receive, exchange.send)
        finally:
            body.close()

    def may_knock(self, headers: Headers) -> bool:
        """Whether host and origin of a request are plainly allowed; where not, `__call__` decides."""
        return b"origin" not in headers and self._known(headers.get(b"host", b""))

    def digest(self, scope: Scope, headers: Headers) -> str | None:
        """Of the key that a request shows; None where no keys are asked for. Raises `Unauthenticated`."""
        return self._callers.digest(self._authorization(scope, headers))

    def known(self, scope: Scope, wanted: str | None, digest: str | None) -> Principal | None:
        """Who calls, as far as nobody is to be asked; None for what `__call__` must decide. Raises as it does."""
        return self._callers.known(scope, wanted, digest)

    def _authorization(self, scope: Scope, headers: Headers) -> str:
        given = headers.get(b"authorization", b"").decode("latin-1")
        if not given and self._stand_in and (scope["method"], scope["path"]) == scopes.INVOCATIONS:
            return self._stand_in
        return given

    def _known(self, host: bytes) -> bool:
        if host in self._known_hosts:
            return True
        known = self._may_be_asked(host.decode("latin-1"))
        if known and len(self._known_hosts) < MOST_HOSTS:
            self._known_hosts.add(host)
        return known

    def _may_be_asked(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return "*" in self._hosts or name.lower() in self._hosts

    async def _cut_off(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        """Ends what a key had asked for that holds no more."""
        if not exchange.started:
            gone = Unauthenticated("this key was revoked", code="key_unknown")
            await answer_of(gone, form_of(scope["path"]))(scope, receive, exchange.send)
            return
        with suppress(RuntimeError):
            # A length that was promised is not kept: then the server ends the connection.
            await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


def _same_origin(headers: Headers) -> bool:
    try:
        origin = urlsplit(headers[b"origin"].decode("latin-1"))
    except ValueError:
        # No address at all, such as `http://[`.
        return False
    return origin.netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower()

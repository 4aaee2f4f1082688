"""The outermost layer, in plain ASGI, around everything: who may come in, how much they may send, what goes out.

It denies by default: a host that is not known, a page of another origin, a request without a key that holds and may do
this. Routes, mounts and plain callables all stand behind it, the ones that nobody thought of too.
"""

import asyncio
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import DropnormError, Forbidden, NotFound, Unauthenticated, UnsupportedType, shown
from app.serving.keyring import Keyring
from app.storage.base import DEFAULT_PROJECT
from app.storage.keys import SCOPES, Principal, digest_of
from app.web import scopes
from app.web.bodies import Body, BodyLimits, Budget, too_large
from app.web.errors import answer_of, problem, unexpected
from app.web.outgoing import Outgoing
from app.web.traffic import Traffic, TrafficLimits

UPLOADS = "/api/v1/datasets"
LONGEST_KEY = 200
LAST_SECONDS = 0.3
ANYBODY = Principal(None, DEFAULT_PROJECT, frozenset(SCOPES))
"""Who calls where no keys are asked for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Hosts that may be asked for ("*": any), and limits."""

    hosts: frozenset[str]
    bodies: BodyLimits
    traffic: TrafficLimits


class Access:
    """`keyring` None: no keys are asked for, and hosts and origins are what protects."""

    def __init__(self, app: ASGIApp, keyring: Keyring | None, rules: Rules) -> None:
        self.app, self._keyring, self._rules = app, keyring, rules
        self._traffic = Traffic(rules.traffic)
        self._budget = Budget(rules.bodies.buffered_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._watch_keys()
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here speaks anything else.
            await send({"type": "websocket.close"})
            return
        outgoing = Outgoing(send)
        headers = _first(scope)
        if not self._known(headers.get(b"host", b"").decode("latin-1")):
            refusal = problem(400, "host_not_allowed", "this service does not answer under that Host")
            await refusal(scope, receive, outgoing.send)
        elif b"origin" in headers and not _same_origin(headers):
            refusal = problem(403, "origin_not_allowed", "pages of another origin may not call this service")
            await refusal(scope, receive, outgoing.send)
        else:
            await self._admitted(scope, headers, receive, outgoing)

    async def _admitted(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, outgoing: Outgoing) -> None:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        try:
            principal = await self._principal(scope, authorization)
            if scope["method"] == "HEAD":
                # The server leaves the body out by the scope that it made itself.
                scope = {**scope, "method": "GET"}
            with ExitStack() as held:
                body = self._body(scope, headers, receive, principal, held)
                await self.app(scope, body, outgoing.send)
        except DropnormError as error:
            if outgoing.started:
                raise
            await answer_of(error)(scope, receive, outgoing.send)
        except Exception:
            if not outgoing.started:
                await unexpected()(scope, receive, outgoing.send)
            # Whatever stands around this logs it.
            raise
        except asyncio.CancelledError:
            if self._holds(authorization):
                raise
            await self._cut_off(scope, receive, outgoing)

    async def _principal(self, scope: Scope, authorization: str) -> Principal:
        """Raises `Unauthenticated`, `Forbidden`, and `NotFound` for what is of the whole service alone."""
        wanted = scopes.needed(scope["method"], scope["path"])
        if self._keyring is None or wanted is None:
            scope["principal"] = ANYBODY
            return ANYBODY
        secret = _secret(authorization)
        digest = digest_of(secret)
        principal = self._keyring.find(digest)
        if principal is None and not self._keyring.asked_lately:
            principal = await asyncio.to_thread(self._keyring.ask, digest)
        if principal is None:
            raise Unauthenticated("this key is unknown, revoked or expired", code="key_unknown")
        # Also told of what is refused below.
        scope["principal"] = principal
        if scope["path"] in scopes.OPERATORS and principal.project != DEFAULT_PROJECT:
            raise NotFound("there is nothing at this path", code="path_not_found")
        if not principal.may(wanted):
            has = ", ".join(scope for scope in SCOPES if scope in principal.scopes)
            raise Forbidden(f"this needs a key with the scope {wanted}; the key has {has}", code="scope_missing")
        return principal

    def _body(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, principal: Principal, held: ExitStack
    ) -> Receive:
        """The body as it may be received; `held` gives back what the request takes. Raises what refuses it."""
        held.enter_context(self._traffic.request(principal))
        declared = headers.get(b"content-length", b"0").decode("latin-1")
        if declared == "0" and b"transfer-encoding" not in headers:
            return receive
        limits = self._rules.bodies
        # A file streams to disk; anything else is held in memory.
        streams = scope["path"] == UPLOADS and headers.get(b"content-type", b"").startswith(b"multipart/")
        most = limits.upload_bytes if streams else limits.body_bytes
        if not declared.isdecimal() or int(declared) > most:
            raise too_large(most)
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding != "identity":
            raise UnsupportedType(
                f"send the body as it is, without Content-Encoding; received {shown(encoding)}",
                code="encoding_unsupported",
            )
        if streams:
            held.enter_context(self._traffic.upload(principal.project))
        body = Body(receive, most, limits.seconds, None if streams else self._budget)
        held.callback(body.close)
        return body.receive

    def _known(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return "*" in self._rules.hosts or name.lower() in self._rules.hosts

    def _watch_keys(self) -> None:
        if self._keyring is None:
            return
        loop = asyncio.get_running_loop()

        def gone(key_ids: frozenset[str]) -> None:
            # Told by the keyring's thread. A moment is left for what is being answered, a key's own revocation too.
            loop.call_soon_threadsafe(loop.call_later, LAST_SECONDS, self._traffic.end, key_ids)

        self._keyring.gone = gone

    def _holds(self, authorization: str) -> bool:
        if self._keyring is None:
            return True
        try:
            return self._keyring.find(digest_of(_secret(authorization))) is not None
        except Unauthenticated:
            return True

    async def _cut_off(self, scope: Scope, receive: Receive, outgoing: Outgoing) -> None:
        """Ends what a key had asked for that holds no more."""
        if not outgoing.started:
            gone = Unauthenticated("this key was revoked", code="key_unknown")
            await answer_of(gone)(scope, receive, outgoing.send)
            return
        with suppress(RuntimeError):
            # A length that was promised is not kept: then the server ends the connection.
            await outgoing.send({"type": "http.response.body", "body": b"", "more_body": False})


def _first(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name; of one that stands twice, the first."""
    return dict(reversed(scope["headers"]))


def _same_origin(headers: dict[bytes, bytes]) -> bool:
    origin = urlsplit(headers[b"origin"].decode("latin-1"))
    return origin.netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower()


def _secret(authorization: str) -> str:
    """The key of an Authorization header. Raises `Unauthenticated` where there is none."""
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret or len(secret) > LONGEST_KEY:
        raise Unauthenticated("send a key: `Authorization: Bearer dn_…`")
    return secret

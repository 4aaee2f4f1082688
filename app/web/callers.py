"""Who calls: the key of a request, looked for in memory, and asked of the database where nobody knows it yet."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.types import Scope

from app.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from app.serving.keyring import Keyring
from app.storage.base import DEFAULT_PROJECT
from app.storage.keys import SCOPES, Principal, digest_of
from app.web import scopes

ANYBODY = Principal(None, DEFAULT_PROJECT, frozenset(SCOPES))
"""Who calls where no keys are asked for."""
LONGEST_KEY = 200
ASK_SECONDS = 0.1
"""The least time between two reads of the database for keys that nobody knows."""
PATIENCE_SECONDS = 2.0
LAST_SECONDS = 0.3


class Callers:
    """`keyring` None: no keys are asked for. Lives on one event loop."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._next: asyncio.Task[None] | None = None
        self._asked_at = -ASK_SECONDS
        self._asking = asyncio.Lock()
        # Its own, so that wrong keys wait for a slow database alone.
        self._thread = ThreadPoolExecutor(1, "keys")

    def digest(self, authorization: str) -> str | None:
        """Of the key in an Authorization header; None where no keys are asked for. Raises `Unauthenticated`."""
        return None if self._keyring is None else digest_of(_secret(authorization))

    async def admit(self, scope: Scope, wanted: str | None, digest: str | None) -> Principal:
        """Who calls, put into the scope as well. `wanted` is the scope that it needs; None where it needs no key.

        Raises `Unauthenticated`, `Forbidden`, `NotFound` for what is of the whole service alone, and `Unavailable`
        where the database cannot be asked about a key.
        """
        principal = self.known(scope, wanted, digest)
        if principal is not None:
            return principal
        assert self._keyring is not None
        assert digest is not None
        principal = await self._ask(self._keyring, digest)
        if principal is None:
            raise Unauthenticated("this key is unknown, revoked or expired", code="key_unknown")
        return _let_in(scope, principal, wanted or "")

    def known(self, scope: Scope, wanted: str | None, digest: str | None) -> Principal | None:
        """As `admit`, without asking anybody: None for a key that nobody here knows."""
        if self._keyring is None or wanted is None:
            scope["principal"] = ANYBODY
            return ANYBODY
        assert digest is not None
        principal = self._keyring.find(digest)
        return None if principal is None else _let_in(scope, principal, wanted)

    def holds(self, principal: Principal) -> bool:
        """Whether the key of somebody who was let in holds still."""
        return self._keyring is None or principal.key_id is None or self._keyring.holds(principal.key_id)

    def tell_of_revoked(self, tell: Callable[[frozenset[str]], None]) -> None:
        """Has `tell` called, on this event loop, with the ids of keys that hold no more."""
        if self._keyring is None:
            return
        loop = asyncio.get_running_loop()

        def gone(key_ids: frozenset[str]) -> None:
            # Told by the keyring's thread. A moment is left for what is being answered, a key's own revocation too.
            loop.call_soon_threadsafe(loop.call_later, LAST_SECONDS, tell, key_ids)

        self._keyring.gone = gone

    async def _ask(self, keyring: Keyring, digest: str) -> Principal | None:
        """Whose key it is by a read that began after it was shown; one such read serves all who wait for it."""
        if self._next is None:
            self._next = asyncio.create_task(self._read(keyring))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Whoever gives up takes nobody's answer along.
                await asyncio.shield(self._next)
        except TimeoutError:
            raise Unavailable("the database does not say whose key this is", code="keys_unavailable") from None
        return keyring.find(digest)

    async def _read(self, keyring: Keyring) -> None:
        loop = asyncio.get_running_loop()
        async with self._asking:
            await asyncio.sleep(self._asked_at + ASK_SECONDS - loop.time())
            # From here on whoever comes is too late for this read, and waits for the next one.
            self._next, self._asked_at = None, loop.time()
            await loop.run_in_executor(self._thread, keyring.refresh)


def _let_in(scope: Scope, principal: Principal, wanted: str) -> Principal:
    # Also told of what is refused below.
    scope["principal"] = principal
    if scope["path"] in scopes.OPERATORS and principal.project != DEFAULT_PROJECT:
        raise NotFound("there is nothing at this path", code="path_not_found")
    if not principal.may(wanted):
        has = ", ".join(scope for scope in SCOPES if scope in principal.scopes)
        raise Forbidden(f"this needs a key with the scope {wanted}; the key has {has}", code="scope_missing")
    return principal


def _secret(authorization: str) -> str:
    """The key of an Authorization header. Raises `Unauthenticated` where there is none."""
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret or len(secret) > LONGEST_KEY:
        raise Unauthenticated("send a key: `Authorization: Bearer dn_…`")
    return secret

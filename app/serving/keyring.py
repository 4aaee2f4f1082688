"""Which keys hold, by their digests, kept in memory: a request that shows one asks no database.

One poller looks twice a second whether any key has changed. Whoever meets a key that is not known, or changes one,
reads anew.
"""

import hmac
import logging
import threading
import time
from collections.abc import Callable

from app.errors import DropnormError, Unavailable
from app.storage import keys
from app.storage.database import Database
from app.storage.keys import Census, Principal

POLL_SECONDS = 0.4
"""Less than half of the second within which a revoked key stops everywhere."""
INDEX_LETTERS = 8
Table = dict[str, list[tuple[str, Principal]]]
_LOG = logging.getLogger("dropnorm.serving")


class Keyring:
    """Thread-safe. `find` touches no database; `refresh` does, and is called off the event loop.

    `gone` is told, from some thread, of the ids of keys that hold no more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: Table | None = None
        self._census: Census | None = None
        self._ids: frozenset[str] = frozenset()
        self._failing = False
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="keyring", daemon=True)
        self.gone: Callable[[frozenset[str]], None] = lambda ids: None

    def start(self) -> None:
        self._poll_once()
        self._poller.start()

    def stop(self) -> None:
        self._stop.set()

    def find(self, digest: str) -> Principal | None:
        """Who holds the key with this digest, as far as is known here.

        Raises `Unavailable` while nothing is known, the database never having answered.
        """
        live = self._live
        if live is None:
            raise Unavailable("the keys cannot be read yet", code="keys_unavailable")
        # The table is searched by a few letters of the digest; the whole of it is compared in constant time.
        for known, principal in live.get(digest[:INDEX_LETTERS], ()):
            if hmac.compare_digest(known, digest) and not principal.is_over(time.time()):
                return principal
        return None

    def holds(self, key_id: str) -> bool:
        """Whether a key holds still, as far as is known here."""
        return key_id in self._ids

    def refresh(self) -> None:
        """Reads all anew: for whoever has just changed a key, before it answers."""
        with self._reading:
            self._read()

    def _read(self) -> None:
        """With the lock held, so that no older reading ever takes the place of a newer one."""
        with self._database.read() as session:
            census = keys.census(session)
            if self._live is not None and census == self._census:
                return
            live = keys.live(session)
        held = frozenset(one.key_id for one in live.values() if one.key_id is not None)
        lost = self._ids - held
        self._live, self._ids, self._census = _table(live), held, census
        if lost:
            self.gone(lost)

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._poll_once()

    def _poll_once(self) -> None:
        try:
            self.refresh()
            self._failing = False
        except DropnormError as error:
            if not self._failing:
                _LOG.warning("the keys could not be read, and those known before hold on: %s", error.detail)
            self._failing = True
        except Exception:  # noqa: BLE001 - it is logged, and read again
            # A poller that ends would let revoked keys in for ever.
            _LOG.exception("the keys could not be read")


def _table(live: dict[str, Principal]) -> Table:
    table: Table = {}
    for digest, principal in live.items():
        table.setdefault(digest[:INDEX_LETTERS], []).append((digest, principal))
    return table

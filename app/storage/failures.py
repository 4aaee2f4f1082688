"""What a database's failures mean to the service, and what the log says of them."""

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DropnormError, Invalid, StorageFull, Unavailable

UNDEFINED_TABLE = "42P01"
DISK_FULL = "53100"
PASSING = ("25006", "25P03", "25P04")
"""Read-only, as after a failover, and transactions that the server ended for their age: the driver counts these among
its own faults, but another moment or another connection mends them."""

REASONS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "too many",
    "connection slots",
    "starting up",
    "shutting down",
    "recovery mode",
    "connection refused",
    "no such file or directory",
    "no route to host",
    "failed to resolve host",
    "timeout expired",
    "certificate",
    "closed the connection",
)
"""Words of libpq and the server for why there is no connection, which has no SQLSTATE: the rest of such a message
tells addresses and names."""

_LOG = logging.getLogger("dropnorm.storage")


class Told:
    """Logs each kind of failure at most once in so many seconds: a database that is away fails every request."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._at: dict[str, float] = {}
        self._lock = threading.Lock()

    def tell(self, what: str) -> None:
        moment = time.monotonic()
        with self._lock:
            if moment - self._at.get(what, -self._seconds) < self._seconds:
                return
            self._at[what] = moment
        _LOG.warning("the database failed: %s", what)


told = Told()


@contextmanager
def failures_told() -> Iterator[None]:
    """Turns a database that does not answer into `Unavailable`, and one without room into `StorageFull`.

    `Invalid` is a value that it refuses: PostgreSQL holds no text with a NUL in it. Anything else is a fault of ours
    and passes as it is.
    """
    try:
        yield
    except DBAPIError as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error
    except PoolTimeout as error:
        told.tell("all connections of this process are taken")
        raise _unavailable() from error


def _meaning(error: DBAPIError) -> DropnormError | None:
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(error, DataError):
        return Invalid("a text or number in it is one that the database cannot hold", code="value_invalid")
    if state == UNDEFINED_TABLE:
        return Unavailable("the database is not migrated yet: `dropnorm migrate`", code="database_unmigrated")
    if not (isinstance(error, OperationalError | InterfaceError) or state in PASSING or error.connection_invalidated):
        return None
    told.tell(_described(error.orig))
    if state == DISK_FULL or "disk is full" in str(error.orig):
        return StorageFull("there is no room left on the database's disk")
    return _unavailable()


def _described(error: BaseException | None) -> str:
    """The kind of failure, without SQL, parameters, names or addresses."""
    kind = type(error).__name__
    if isinstance(error, sqlite3.Error):
        return f"{kind} ({getattr(error, 'sqlite_errorname', 'no code')})"
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return f"{kind} (SQLSTATE {state})"
    message = str(error).lower()
    return f"{kind} ({next((reason for reason in REASONS if reason in message), 'no SQLSTATE')})"


def _unavailable() -> Unavailable:
    return Unavailable("the database does not answer; try again soon", code="database_unavailable")

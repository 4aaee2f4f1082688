"""The database: SQLite or PostgreSQL behind one code path, with a clock of its own and explicit transactions."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session as Session  # the one name that other rooms need of the library
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Float

from app.storage.failures import failures_told
from app.storage.patience import LIMITS, Limits

BUSY_SECONDS = 30
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


class now(FunctionElement[float]):  # noqa: N801 - reads like the SQL function it is
    """Seconds since 1970 UTC by the database's clock, never a worker's."""

    type = Float(53)
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(element: now, compiler: SQLCompiler, **options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(element: now, compiler: SQLCompiler, **options: object) -> str:
    return "CAST(extract(epoch from clock_timestamp()) AS double precision)"


class Database:
    """One engine. `read()` and `write()` open a session in one transaction; a write commits if its block ends well."""

    def __init__(self, url: str | URL, limits: Limits = LIMITS) -> None:
        """`limits` are PostgreSQL's; SQLite has its one lock, for which a writer waits `BUSY_SECONDS`."""
        self.engine = _engine(make_url(url), limits)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session whose transaction takes no write lock and is rolled back at the end."""
        with failures_told(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in a transaction that holds SQLite's write lock from its start; commits at the end."""
        engine = self.engine.execution_options(writes=True)
        with failures_told(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _engine(address: URL, limits: Limits) -> Engine:
    if address.get_backend_name() != "sqlite":
        from app.storage import postgresql

        return postgresql.engine(address, limits)
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    # No failure tells of what was asked with it.
    engine = create_engine(address, connect_args=arguments, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` does, with the right lock.
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _log_ahead(connection)


def _log_ahead(connection: Any) -> None:
    # Where several processes open a new file at once, SQLite refuses this one switch instead of waiting for it.
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that starts by reading and then writes would fail at once where another wrote in between.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

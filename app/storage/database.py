"""The database: SQLite or PostgreSQL behind one code path, with a clock of its own and explicit transactions."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session as Session  # the one name that other rooms need of the library
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Float

from app.errors import Invalid, StorageFull, Unavailable

BUSY_SECONDS = 30
UNDEFINED_TABLE = "42P01"
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

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)

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


@contextmanager
def failures_told() -> Iterator[None]:
    """Turns a database that does not answer into `Unavailable`, and one without room into `StorageFull`.

    `Invalid` is a value that it refuses: PostgreSQL holds no text with a NUL in it.
    """
    try:
        yield
    except OperationalError as error:
        if "disk is full" in str(error.orig):
            raise StorageFull("there is no room left on the database's disk") from error
        raise Unavailable("the database does not answer; try again soon", code="database_unavailable") from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != UNDEFINED_TABLE:
            raise
        raise Unavailable("the database is not migrated yet: `dropnorm migrate`", code="database_unmigrated") from error
    except DataError as error:
        raise Invalid("a text or number in it is one that the database cannot hold", code="value_invalid") from error
    except (InterfaceError, PoolTimeout) as error:
        raise Unavailable("the database does not answer; try again soon", code="database_unavailable") from error


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        # In a database of encoding SQL_ASCII the driver would else hand out bytes in place of text.
        encoding = {"client_encoding": "utf8"}
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args=encoding)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
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

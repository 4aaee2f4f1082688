"""Brings the schema up to date: run by one process at a time, at start or by `dropnorm migrate`."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.storage.database import MIGRATIONS, Database
from app.storage.failures import failures_told
from app.storage.patience import UNLIMITED

LOCK = 0x64726F706E6F726D  # "dropnorm"


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrates up to `revision`; a second process that starts meanwhile waits, then finds nothing to do."""
    with _locked(database) as connection:
        command.upgrade(configuration(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    with _locked(database) as connection:
        command.downgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for `migrations/`, working on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(database: Database) -> Iterator[Connection]:
    # SQLite's write lock is taken by BEGIN IMMEDIATE; PostgreSQL has a lock for exactly this.
    with failures_told(), _connected(database) as connection, _references_unchecked(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        yield connection
        _check_references(connection)


@contextmanager
def _connected(database: Database) -> Iterator[Connection]:
    """A connection that may take its time: other requests wait ten seconds for a lock, and twenty for an answer."""
    if database.engine.dialect.name == "sqlite":
        with database.engine.execution_options(writes=True).connect() as connection:
            yield connection
        return
    patient = Database(database.engine.url, UNLIMITED)
    with closing(patient), patient.engine.connect() as connection:
        yield connection


@contextmanager
def _references_unchecked(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew; rows that refer to it would forbid that. Outside any transaction."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        assert not broken, f"the migration broke references: {broken[:5]}"

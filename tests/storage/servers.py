"""Fresh databases of both kinds: SQLite files, and a real PostgreSQL server in a temporary folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from app.storage import migrations
from app.storage.database import Database


class Databases(Protocol):
    """Makes databases that nobody else uses; each is an address."""

    name: str

    def empty(self) -> str: ...

    def migrated(self) -> str: ...


def migrate(url: str) -> str:
    database = Database(url)
    migrations.upgrade(database)
    database.close()
    return url


class SqliteFiles:
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._template = folder / "template.db"
        migrate(f"sqlite:///{self._template}")

    def empty(self) -> str:
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.db'}"

    def migrated(self) -> str:
        path = self._folder / f"{next(self._numbers)}.db"
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"


class PostgresqlServer:
    name = "postgresql"

    def __init__(self, url: str) -> None:
        self._url, self._numbers = make_url(url).set(drivername="postgresql+psycopg"), count()
        # What is lost with the machine is not what these tests are about.
        self._run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        self._template = migrate(self.empty())

    def empty(self) -> str:
        return self._make("template0")

    def migrated(self) -> str:
        return self._make(str(make_url(self._template).database))

    def _make(self, template: str) -> str:
        name = f"database_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _run(self, *statements: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a server of its own, gone at the end. Where none can start, the test is skipped, with why."""
    # Not in pytest's folder: the server's own user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="dropnorm-postgresql-"))
    (folder / "runtime").mkdir(mode=0o700)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
            try:
                from pgserver.postgres_server import get_server

                server = get_server(folder / "data", cleanup_mode="delete")
            except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is told
                pytest.skip(f"no PostgreSQL could be started here, so nothing was tested on it: {error!r}")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""The database: what a transaction holds, what it leaves behind, and how its failures are told."""

import sqlite3
import time
from collections.abc import MutableMapping
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from app.errors import Invalid, Unavailable
from app.storage import jobs, networks
from app.storage.database import Database, now
from app.storage.tables import NetworkRow
from tests.storage.rows import NETWORK, PROJECT, at_once
from tests.storage.servers import Databases, PostgresqlServer


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    for number in range(60):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"

        def work(_: int, url: str = url) -> None:
            database = Database(url)
            with database.write() as session:
                session.execute(text("CREATE TABLE IF NOT EXISTS notes (id INTEGER)"))
            database.close()

        at_once(4, work)
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as connection:
            assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            networks.add(session, PROJECT, NETWORK)
            session.flush()
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    with database.read() as session:
        assert session.scalar(select(NetworkRow.id)) is None


def test_what_a_read_changes_is_never_kept(database: Database) -> None:
    with database.read() as session:
        networks.add(session, PROJECT, NETWORK)
        session.flush()
    with database.read() as session:
        assert session.scalar(select(NetworkRow.id)) is None


def test_the_clock_is_the_databases_in_seconds_since_1970_and_moves_within_a_transaction(database: Database) -> None:
    with database.read() as session:
        first = session.scalar(select(now()))
        time.sleep(0.05)
        second = session.scalar(select(now()))
    assert first is not None
    assert second is not None
    assert abs(first - time.time()) < 5
    assert 0.04 < second - first < 5


def test_two_writers_that_read_first_both_get_through(database: Database) -> None:
    """A transaction that begins by reading and then writes would fail on SQLite where another wrote in between."""
    with database.write() as session:
        row_id = networks.add(session, PROJECT, NETWORK).id

    def work(number: int) -> None:
        with database.write() as session:
            row = session.get(NetworkRow, row_id, with_for_update=True)
            assert row is not None
            row.name = f"{row.name}+"

    at_once(8, work)
    with database.read() as session:
        assert networks.get(session, PROJECT, row_id).name == "network" + "+" * 8


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'dropnorm.db'}")
    with pytest.raises(Unavailable), database.read() as session:
        session.execute(select(now()))
    database.close()


def test_a_server_that_ended_a_connection_is_asked_again(postgresql_database: Database) -> None:
    database = postgresql_database
    with database.read() as session:
        session.execute(text("SELECT pg_backend_pid()"))
    other = Database(database.engine.url.render_as_string(hide_password=False))
    with other.write() as session:
        statement = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        )
        session.execute(text(statement + "current_database()"))
    other.close()
    with database.read() as session:
        assert session.scalar(select(now())) is not None


def test_a_text_with_a_nul_is_refused_by_a_database_that_cannot_hold_it(postgresql_server: PostgresqlServer) -> None:
    database = Database(postgresql_server.migrated())
    with pytest.raises(Invalid) as caught, database.write() as session:
        networks.add(session, PROJECT, NETWORK.model_copy(update={"name": "a\0b"}))
    assert caught.value.code == "value_invalid"
    database.close()


def test_where_all_connections_are_taken_the_database_is_unavailable(tmp_path: Path) -> None:
    database = Database("sqlite://")
    database.engine = create_engine(f"sqlite:///{tmp_path}/full.db", pool_size=1, max_overflow=0, pool_timeout=0.1)
    with database.read() as first:
        first.execute(text("SELECT 1"))
        with pytest.raises(Unavailable) as refused, database.read() as second:
            second.execute(text("SELECT 1"))
    assert refused.value.code == "database_unavailable"
    database.close()


def test_a_database_without_tables_is_told_as_not_ready(databases: Databases) -> None:
    database = Database(databases.empty())
    with pytest.raises(Unavailable), database.read() as session:
        jobs.anything_to_claim(session)
    database.close()


def test_a_statement_with_the_databases_clock_is_compiled_once(database: Database) -> None:
    compiled: list[object] = []
    cache: MutableMapping[object, object] = {}
    with database.read() as session:
        connection = session.connection(execution_options={"compiled_cache": cache})
        for _ in range(3):
            connection.execute(select(now()))
            compiled.append(len(cache))
    assert compiled == [1, 1, 1]

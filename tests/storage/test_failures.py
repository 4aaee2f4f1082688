"""A database's failures: what they mean to the service, and what its log says of them."""

import logging
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import URL, exc, text

from app.errors import StorageFull, Unavailable
from app.storage import failures, networks
from app.storage.database import Database
from app.storage.failures import Told, failures_told
from tests.storage.rows import NETWORK, PROJECT
from tests.storage.servers import PostgresqlServer

PASSING = ["25006", "25P03", "25P04", "57014", "57P01", "57P02", "57P03", "53200", "53300"]
PASSING += ["40001", "40P01", "55P03", "58030", "08006"]


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever earlier tests have had logged is logged again."""
    monkeypatch.setattr(failures, "told", Told())


def raised_as(code: str) -> exc.DBAPIError:
    """The library's error of what the driver raises for this SQLSTATE."""
    error = errors.lookup(code)("secret.example.org")
    made = exc.DBAPIError.instance("UPDATE secrets", {"secret": "secret"}, error, psycopg.Error)
    assert isinstance(made, exc.DBAPIError)
    return made


def test_a_database_that_became_read_only_is_unavailable_to_writers_and_says_so_once(
    postgresql_server: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgresql_server.migrated()
    with closing(Database(url)) as database, database.engine.connect() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        connection.commit()
    with closing(Database(url)) as database:
        for _ in range(3):
            with pytest.raises(Unavailable) as refused, database.write() as session:
                networks.add(session, PROJECT, NETWORK)
            assert refused.value.code == "database_unavailable"
        with database.read() as session:
            assert session.scalar(text("SELECT count(*) FROM networks")) == 0
    assert caplog.messages == ["the database failed: ReadOnlySqlTransaction (SQLSTATE 25006)"]


@pytest.mark.parametrize(
    "code",
    [
        "25006",
        "25P03",
        "25P04",
        "57014",
        "57P01",
        "57P02",
        "57P03",
        "53200",
        "53300",
        "40001",
        "40P01",
        "55P03",
        "58030",
        "08006",
    ],
)
def test_what_another_moment_mends_is_unavailable_and_its_code_is_told(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unavailable), failures_told():
        raise raised_as(code)
    assert len(caplog.records) == 1
    assert f"(SQLSTATE {code})" in caplog.text
    assert "secret" not in caplog.text


def test_a_full_disk_of_the_server_is_told_as_one() -> None:
    with pytest.raises(StorageFull), failures_told():
        raise raised_as("53100")


@pytest.mark.parametrize("code", ["42601", "23505", "XX000", "42703"])
def test_a_fault_of_ours_passes_as_it_is(code: str) -> None:
    with pytest.raises(exc.DBAPIError), failures_told():
        raise raised_as(code)


def test_why_there_is_no_connection_is_told_without_names(
    postgresql_server: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    known = Database(postgresql_server.empty())
    strange = known.engine.url.set(database="secret_name")
    addresses: list[str | URL] = [strange, "postgresql+psycopg://secret_name@127.0.0.1:1/x"]
    for address in addresses:
        with closing(Database(address)) as database, pytest.raises(Unavailable), database.read() as session:
            session.execute(text("SELECT 1"))
    assert caplog.messages == [
        "the database failed: OperationalError (does not exist)",
        "the database failed: OperationalError (connection refused)",
    ]
    known.close()


def test_sqlite_says_what_kind_of_failure_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = tmp_path / "missing" / "dropnorm.db"
    database = Database(f"sqlite:///{missing}")
    with pytest.raises(Unavailable), database.read() as session:
        session.execute(text("SELECT 1"))
    assert caplog.messages == ["the database failed: OperationalError (SQLITE_CANTOPEN)"]


def test_the_same_failure_is_told_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dropnorm.storage"):
        for told, times in ((Told(seconds=1000), 1), (Told(seconds=0), 3)):
            caplog.clear()
            for _ in range(3):
                told.tell("DiskFull (SQLSTATE 53100)")
            assert len(caplog.records) == times

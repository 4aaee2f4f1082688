"""Every storage test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from app.storage.base import Base
from app.storage.database import Database
from tests.storage.servers import Databases, PostgresqlServer, SqliteFiles, postgresql


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    with postgresql() as url:
        yield PostgresqlServer(url)


@pytest.fixture(scope="session", params=["sqlite_files", "postgresql_server"], ids=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def shared_database(databases: Databases) -> Iterator[Database]:
    made = Database(databases.migrated())
    yield made
    made.close()


@pytest.fixture
def database(shared_database: Database) -> Iterator[Database]:
    """A migrated database without a row."""
    yield shared_database
    with shared_database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


@pytest.fixture
def postgresql_database(postgresql_server: PostgresqlServer) -> Iterator[Database]:
    """For what can only happen where two transactions write at once."""
    made = Database(postgresql_server.migrated())
    yield made
    made.close()

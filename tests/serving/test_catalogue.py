"""The catalogue's poller outlives a database that cannot be read, and then follows it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.serving.catalogue import Catalogue
from app.storage import models
from app.storage.base import Base
from app.storage.database import Database
from tests.storage.rows import PROJECT, add_run
from tests.worker.processes import until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/models.sqlite3")
    Base.metadata.create_all(made.engine)
    yield made
    made.close()


def test_a_new_version_is_seen_after_the_database_could_not_be_read(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = add_run(database)
    with database.write() as session:
        models.add_version(session, PROJECT, "penguins", run_id)
    catalogue = Catalogue(database, lambda run: None)
    catalogue.refresh(PROJECT, "penguins")
    database.engine.dispose()
    file = tmp_path / "models.sqlite3"
    content = file.read_bytes()
    file.write_bytes(b"no database" * 1000)
    catalogue.start()
    until(lambda: "could not be read" in caplog.text, 10)
    file.write_bytes(content)
    with database.write() as session:
        models.add_version(session, PROJECT, "penguins", run_id)
    until(lambda: catalogue.knows(PROJECT, "penguins", 2), 5)
    catalogue.stop()
    assert catalogue.knows(PROJECT, "penguins", 1)

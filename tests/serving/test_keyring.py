"""The keyring follows the database, and holds on to what it knows where the database cannot be read."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.serving.keyring import Keyring
from app.storage import keys
from app.storage.base import Base
from app.storage.database import Database
from tests.worker.processes import until

SECRET = "dn_" + "k" * 40
DIGEST = keys.digest_of(SECRET)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/keys.sqlite3")
    Base.metadata.create_all(made.engine)
    yield made
    made.close()


@pytest.fixture
def keyring(database: Database) -> Iterator[Keyring]:
    made = Keyring(database)
    yield made
    made.stop()


def add(database: Database, secret: str = SECRET, expires_at: float | None = None) -> str:
    with database.write() as session:
        return keys.add(session, "default", "one", ("read",), secret, expires_at=expires_at).id


def revoke(database: Database, key_id: str) -> None:
    with database.write() as session:
        keys.revoke(session, None, key_id)


def test_before_it_has_read_anything_nobody_is_called_unknown(keyring: Keyring) -> None:
    with pytest.raises(Unavailable):
        keyring.find(DIGEST)


def test_a_key_made_elsewhere_is_found_after_a_look(database: Database, keyring: Keyring) -> None:
    keyring.refresh()
    key_id = add(database)
    assert keyring.find(DIGEST) is None
    keyring.refresh()
    found = keyring.find(DIGEST)
    assert found is not None
    assert found.key_id == key_id
    assert keyring.holds(key_id)


def test_a_revoked_key_stops_by_itself_within_a_second_and_is_told(database: Database, keyring: Keyring) -> None:
    key_id = add(database)
    told: list[str] = []
    keyring.gone = told.extend
    keyring.start()
    assert keyring.find(DIGEST) is not None
    revoke(database, key_id)
    until(lambda: keyring.find(DIGEST) is None, 1)
    assert told == [key_id]


def test_a_key_that_expires_stops_by_itself(database: Database, keyring: Keyring) -> None:
    add(database, expires_at=time.time() + 0.3)
    keyring.start()
    assert keyring.find(DIGEST) is not None
    until(lambda: keyring.find(DIGEST) is None, 2)


def test_what_is_known_holds_on_while_the_database_cannot_be_read(
    database: Database, keyring: Keyring, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key_id = add(database)
    keyring.start()
    database.engine.dispose()
    file = tmp_path / "keys.sqlite3"
    content = file.read_bytes()
    file.write_bytes(b"no database" * 1000)
    until(lambda: "the keys could not be read" in caplog.text, 10)
    assert keyring.find(DIGEST) is not None
    file.write_bytes(content)
    revoke(database, key_id)
    until(lambda: keyring.find(DIGEST) is None, 5)


def test_a_key_that_expires_holds_no_more_even_where_the_database_is_away(database: Database, keyring: Keyring) -> None:
    add(database, expires_at=time.time() + 0.3)
    keyring.refresh()
    assert keyring.find(DIGEST) is not None
    # Nobody looks at the database any more.
    until(lambda: keyring.find(DIGEST) is None, 2)


def test_a_digest_is_compared_as_a_whole(database: Database, keyring: Keyring) -> None:
    add(database)
    keyring.refresh()
    assert keyring.find(DIGEST[:-1] + ("0" if DIGEST[-1] != "0" else "1")) is None
    assert keyring.find(DIGEST[:8]) is None

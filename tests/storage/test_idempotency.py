"""`Idempotency-Key`: however often and however many at once, one thing is made."""

import pytest
from sqlalchemy import func, select

from app.errors import Conflict, NotFound
from app.storage import idempotency, networks
from app.storage.database import Database
from app.storage.idempotency import Answer
from app.storage.tables import NetworkRow
from tests.storage.meanwhile import just_before
from tests.storage.rows import NETWORK, PROJECT, at_once


def create(database: Database, key: str = "key", digest: str = "d" * 64, project: str = PROJECT) -> Answer:
    """Makes a network under `key`, as a POST does."""
    with database.write() as session:
        first = idempotency.reserve(session, project, key, digest)
        if first is not None:
            return first
        row = networks.add(session, project, NETWORK)
        answer = Answer(201, f"/networks/{row.id}", {"id": row.id})
        idempotency.keep(session, project, key, answer)
        return answer


def made(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(NetworkRow)) or 0


def test_twenty_at_once_make_one_and_all_get_its_answer(database: Database) -> None:
    answers = at_once(20, lambda _: create(database))
    assert made(database) == 1
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == 201


def test_the_same_key_with_another_body_is_refused(database: Database) -> None:
    create(database)
    with pytest.raises(Conflict) as caught:
        create(database, digest="e" * 64)
    assert caught.value.code == "idempotency_key_reused"
    assert made(database) == 1


def test_other_keys_and_other_projects_make_their_own(database: Database) -> None:
    answers = [create(database), create(database, key="other"), create(database, project="another")]
    assert len({answer.location for answer in answers}) == made(database) == 3


def test_a_failure_leaves_the_key_free_to_try_again(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as session:
        _ = idempotency.reserve(session, PROJECT, "key", "d" * 64), networks.get(session, PROJECT, "net_unknown")
    assert create(database, digest="e" * 64).status == 201
    with database.read() as session:
        assert idempotency.find(session, PROJECT, "key", "e" * 64) is not None
        assert idempotency.find(session, PROJECT, "unknown", "e" * 64) is None


def test_a_key_that_is_forgotten_while_it_is_looked_up_is_free_again(postgresql_database: Database) -> None:
    """SQLite has one writer at a time: there it cannot happen."""
    database = postgresql_database
    create(database)

    def forget() -> None:
        with database.write() as session:
            assert idempotency.forget(session, 0.0, 10) == 1

    with just_before(database, "FROM idempotency_keys", forget):
        create(database, digest="e" * 64)
    assert made(database) == 2
    with database.read() as session:
        assert idempotency.find(session, PROJECT, "key", "e" * 64) is not None

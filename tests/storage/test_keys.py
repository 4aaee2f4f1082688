"""Keys in the database: by their digests alone, and gone for good once they are revoked."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from app.errors import Conflict, Invalid, NotFound
from app.storage import keys
from app.storage.database import Database
from app.storage.keys import SCOPES, Principal
from app.storage.service_tables import KeyRow
from tests.worker.processes import until

OTHER = "dn_" + "x" * 40


def add(database: Database, secret: str = OTHER, project: str = "default", expires_at: float | None = None) -> str:
    with database.write() as session:
        return keys.add(session, project, "one", ("train", "read"), secret, expires_at=expires_at).id


def live(database: Database) -> dict[str, Principal]:
    with database.read() as session:
        return keys.live(session)


def revoke(database: Database, key_id: str) -> None:
    with database.write() as session:
        keys.revoke(session, None, key_id)


def test_new_keys_differ_and_are_long_enough_for_a_plain_digest() -> None:
    made = {keys.new_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(secret.startswith("dn_") and len(secret) == 43 for secret in made)


def test_the_key_itself_is_nowhere_in_the_row(database: Database) -> None:
    add(database)
    with database.read() as session:
        row = session.scalars(select(KeyRow)).one()
        assert OTHER not in repr(vars(row))
        assert row.digest == keys.digest_of(OTHER)
        assert (row.scopes, row.hint) == ("read train", OTHER[:7])


def test_a_live_key_is_known_by_its_digest_with_project_and_scopes(database: Database) -> None:
    key_id = add(database, project="b")
    assert live(database) == {keys.digest_of(OTHER): Principal(key_id, "b", frozenset({"read", "train"}))}


def test_admin_may_everything_and_others_what_they_say(database: Database) -> None:
    assert all(Principal("k", "a", frozenset({"admin"})).may(scope) for scope in SCOPES)
    assert [scope for scope in SCOPES if Principal("k", "a", frozenset({"train"})).may(scope)] == ["train"]


def test_a_revoked_key_holds_no_more_and_cannot_be_given_again(database: Database) -> None:
    key_id = add(database)
    revoke(database, key_id)
    assert live(database) == {}
    with pytest.raises(NotFound):
        revoke(database, key_id)
    with pytest.raises(Conflict):
        add(database)
    with database.read() as session:
        assert keys.page(session, None, 10, None) == ([], None)


def test_a_key_holds_until_it_expires(database: Database) -> None:
    add(database, expires_at=time.time() + 0.2)
    add(database, "dn_" + "y" * 40, expires_at=time.time() + 60)
    until(lambda: live(database).keys() == {keys.digest_of("dn_" + "y" * 40)}, 5)


@pytest.mark.parametrize("end", [0.0, -1.0, 1e11, float("inf"), float("nan")])
def test_an_end_is_to_come_and_within_a_hundred_years(database: Database, end: float) -> None:
    with pytest.raises(Invalid, match="within 100 years"):
        add(database, expires_at=end)
    assert live(database) == {}


def test_of_many_who_revoke_a_key_one_does(database: Database) -> None:
    key_id = add(database)

    def try_it(_: int) -> bool:
        try:
            revoke(database, key_id)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(8))) == 1


def test_whatever_changes_shows_in_the_census(database: Database) -> None:
    def census() -> keys.Census:
        with database.read() as session:
            return keys.census(session)

    seen = [census()]
    first = add(database)
    seen.append(census())
    revoke(database, first)
    add(database, "dn_" + "y" * 40)
    seen.append(census())
    add(database, "dn_" + "z" * 40, expires_at=time.time() + 0.3)
    seen.append(census())
    end = time.monotonic() + 5
    while (last := census()) == seen[-1] and time.monotonic() < end:
        pass
    assert len({*seen, last}) == 5


def test_a_project_sees_its_own_keys_alone(database: Database) -> None:
    key_id = add(database, project="a")
    with database.read() as session:
        assert keys.get(session, "a", key_id).id == key_id
        with pytest.raises(NotFound):
            keys.get(session, "b", key_id)
        assert list(keys.page(session, "b", 10, None)[0]) == []


def settle(database: Database, secret: str) -> bool:
    with database.write() as session:
        return keys.settle(session, "DROPNORM_ADMIN_KEY", "first", SCOPES, secret)


def test_another_key_in_the_variable_takes_the_place_of_the_one_before(database: Database) -> None:
    made = add(database, "dn_" + "made" * 10)
    assert settle(database, "dn_" + "a" * 40)
    assert settle(database, "dn_" + "a" * 40)
    assert settle(database, "dn_" + "b" * 40)
    held = live(database)
    assert held.keys() == {keys.digest_of("dn_" + "b" * 40), keys.digest_of("dn_" + "made" * 10)}
    assert made in {principal.key_id for principal in held.values()}
    # The one before does not come back, whoever still has it in the environment, and takes nothing away.
    assert not settle(database, "dn_" + "a" * 40)
    assert live(database) == held


def test_a_key_of_the_variable_that_was_revoked_stays_so(database: Database) -> None:
    settle(database, OTHER)
    revoke(database, next(iter(live(database).values())).key_id or "")
    assert not settle(database, OTHER)
    assert live(database) == {}

"""A key that nobody knows yet is asked for once for all who show one, by a look that began after it was shown."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Scope

from app.errors import Unauthenticated, Unavailable
from app.serving.keyring import Keyring
from app.storage import keys
from app.storage.base import Base
from app.storage.database import Database
from app.web import callers
from app.web.callers import ASK_SECONDS, Callers

SECRETS = ["dn_" + f"{number:040d}" for number in range(30)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/keys.sqlite3")
    Base.metadata.create_all(made.engine)
    yield made
    made.close()


@pytest.fixture
def keyring(database: Database) -> Keyring:
    made = Keyring(database)
    made.refresh()
    return made


def add(database: Database, secret: str) -> None:
    with database.write() as session:
        keys.add(session, "default", "one", ("read",), secret)


def asked(path: str = "/api/v1/runs") -> Scope:
    return {"type": "http", "method": "GET", "path": path}


async def admit(door: Callers, secret: str) -> str | None:
    return (await door.admit(asked(), "read", door.digest(f"Bearer {secret}"))).key_id


def test_every_key_is_known_at_once_however_lately_the_database_was_asked(database: Database, keyring: Keyring) -> None:
    async def ask() -> None:
        door = Callers(keyring)
        for secret in SECRETS:
            # Another process makes it, just after this one has looked.
            await asyncio.to_thread(keyring.refresh)
            await asyncio.to_thread(add, database, secret)
            assert await admit(door, secret)

    asyncio.run(ask())


def test_many_who_show_wrong_keys_share_a_look(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    look = keyring.refresh

    def counted() -> None:
        looks.append(time.monotonic())
        look()

    monkeypatch.setattr(keyring, "refresh", counted)

    async def ask() -> float:
        door, begin = Callers(keyring), time.monotonic()
        for _ in range(3):
            wrong = await asyncio.gather(*(admit(door, f"dn_{n}") for n in range(500)), return_exceptions=True)
            assert all(isinstance(one, Unauthenticated) for one in wrong)
        return time.monotonic() - begin

    seconds = asyncio.run(ask())
    assert 1 <= len(looks) <= seconds / ASK_SECONDS + 2


def test_while_the_database_says_nothing_known_keys_hold_and_others_are_put_off(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "PATIENCE_SECONDS", 0.2)
    add(database, SECRETS[0])
    keyring.refresh()
    silent = threading.Event()
    monkeypatch.setattr(keyring, "refresh", lambda: silent.wait(10) and None)

    async def ask() -> None:
        door = Callers(keyring)
        strangers = [asyncio.create_task(admit(door, f"dn_{number}")) for number in range(50)]
        await asyncio.sleep(0.05)
        assert await admit(door, SECRETS[0])
        # Threads that others need are not taken.
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
        ends = await asyncio.gather(*strangers, return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ends)
        silent.set()

    asyncio.run(ask())

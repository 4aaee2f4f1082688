"""What a revoked key had asked for: streams and uploads end, work in a thread ends by itself and leaves no lock."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.types import Message, Receive, Scope, Send

from app.serving.keyring import Keyring
from app.storage import keys
from app.storage.base import Base
from app.storage.database import Database
from app.web.access import Access, Rules
from app.web.bodies import BodyLimits
from app.web.traffic import TrafficLimits

SECRET = "dn_" + "r" * 40
RULES = Rules(frozenset({"*"}), BodyLimits(1 << 20, 1 << 20, 1 << 20, 30), TrafficLimits(0, 10, 2))
Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/keys.sqlite3")
    Base.metadata.create_all(made.engine)
    yield made
    made.close()


def asked(method: str = "POST", length: int = 0) -> Scope:
    headers = [(b"host", b"x"), (b"authorization", f"Bearer {SECRET}".encode()), (b"content-length", b"%d" % length)]
    return {"type": "http", "method": method, "path": "/api/v1/runs", "headers": headers}


async def revoked_meanwhile(
    database: Database, inner: Inner, scope: Scope, receive: Receive, right: str = "train"
) -> list[Message]:
    """What is sent where the key is revoked a moment after the request has come."""
    with database.write() as session:
        key_id = keys.add(session, "default", "one", (right,), SECRET).id
    keyring = Keyring(database)
    keyring.refresh()
    door, sent = Access(inner, keyring, RULES), []

    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    door.app = begin
    await door({"type": "lifespan"}, receive, _nowhere)
    door.app = inner

    async def send(message: Message) -> None:
        sent.append(message)

    request = asyncio.create_task(door(scope, receive, send))
    await asyncio.sleep(0.05)

    def revoke() -> None:
        with database.write() as session:
            keys.revoke(session, None, key_id)
        keyring.refresh()

    await asyncio.to_thread(revoke)
    await asyncio.wait_for(request, 10)
    return sent


async def _nowhere(message: Message) -> None:
    del message


async def _silent() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def answer(send: Send, status: int, *, more: bool = False) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"x", "more_body": more})


def test_work_in_a_thread_is_let_end_and_no_transaction_stays_open(database: Database) -> None:
    """Cancelled, the session would be closed under the thread, which goes on and begins a transaction of nobody's."""
    working = threading.Event()

    def work(session: Any) -> None:
        session.execute(text("UPDATE keys SET name = 'while it worked'"))
        working.set()
        time.sleep(0)
        threading.Event().wait(1.0)
        session.execute(text("UPDATE keys SET name = 'to its end'"))

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        other = Database(database.engine.url)
        with other.write() as session:
            await asyncio.to_thread(work, session)
        await answer(send, 201)
        other.close()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        # So that the key is revoked while the work waits for its lock, or works.
        await asyncio.sleep(0.3)
        await inner(scope, receive, send)

    sent = asyncio.run(revoked_meanwhile(database, late, asked(), _silent))
    assert working.is_set()
    assert [message.get("status") for message in sent] == [201, None]
    began = time.monotonic()
    with database.write() as session:
        assert session.scalar(text("SELECT name FROM keys")) == "to its end"
    assert time.monotonic() - began < 2


def test_a_stream_ends(database: Database) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, more=True)
        await asyncio.Event().wait()

    sent = asyncio.run(revoked_meanwhile(database, inner, asked(), _silent))
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_body_that_is_on_the_way_is_answered_that_the_key_is_no_more(database: Database) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise AssertionError

    sent = asyncio.run(revoked_meanwhile(database, inner, asked(length=100), _silent))
    assert sent[0]["status"] == 401


def test_a_table_that_has_come_and_is_being_answered_ends_too(database: Database) -> None:
    """What works for it is a process, which is ended with the request."""
    ended = threading.Event()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"PAR1", "more_body": False}

    scope = asked(length=4)
    scope["path"] = "/api/v1/models/m/predict"
    scope["headers"].append((b"content-type", b"application/vnd.apache.parquet"))
    sent = asyncio.run(revoked_meanwhile(database, inner, scope, receive, "predict"))
    assert sent[0]["status"] == 401
    assert ended.is_set()

"""Streams end when their run is gone, and outlive a database that is away for a while."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.storage import runs
from app.storage.base import Base
from app.storage.database import Database
from app.storage.tables import EventRow
from app.web.broadcast import Broadcast
from tests.storage.rows import PROJECT, add_run

SECONDS = 5.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/events.sqlite3")
    Base.metadata.create_all(made.engine)
    yield made
    made.close()


async def told(stream: AsyncIterator[EventRow | None]) -> list[int]:
    return [row.seq async for row in stream if row is not None]


def cancel(database: Database, run_id: str, *, remove: bool) -> None:
    with database.write() as session:
        runs.cancel(session, PROJECT, run_id)
        if remove:
            runs.remove(session, PROJECT, run_id)


def test_the_stream_of_a_run_that_is_deleted_meanwhile_ends(database: Database) -> None:
    async def scene() -> list[int]:
        run_id, broadcast = add_run(database), Broadcast(database)
        stream = asyncio.create_task(told(broadcast.follow(run_id, 0)))
        await asyncio.sleep(0.5)
        assert not stream.done()
        cancel(database, run_id, remove=True)
        found = await asyncio.wait_for(stream, SECONDS)
        await broadcast.close()
        return found

    assert asyncio.run(scene()) == [1]


def test_a_stream_goes_on_after_the_database_could_not_be_read(database: Database, tmp_path: Path) -> None:
    async def scene() -> list[int]:
        run_id, broadcast = add_run(database), Broadcast(database)
        stream = asyncio.create_task(told(broadcast.follow(run_id, 0)))
        await asyncio.sleep(0.5)
        file = tmp_path / "events.sqlite3"
        database.engine.dispose()
        content = file.read_bytes()
        file.write_bytes(b"no database" * 1000)
        await asyncio.sleep(0.5)
        file.write_bytes(content)
        cancel(database, run_id, remove=False)
        found = await asyncio.wait_for(stream, SECONDS)
        await broadcast.close()
        return found

    assert asyncio.run(scene()) == [1, 2, 3]

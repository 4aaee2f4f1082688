"""An upload that nobody waits for any more, as where a server stops, is stored whole or not at all."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.assembly import context_of
from app.settings import Settings
from app.storage import datasets, migrations
from app.web.context import Context
from app.web.routes.datasets import create_dataset

PROJECT = "default"
ROWS = {"target": "y", "rows": [{"x": number + 0.5, "y": "ab"[number % 2]} for number in range(100)]}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Context]:
    made = context_of(Settings(data_dir=tmp_path))
    migrations.upgrade(made.database)
    yield made
    made.reading.shutdown()
    made.answering.shutdown()
    made.database.close()


def upload() -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(ROWS).encode(), "more_body": False}

    headers = [(b"content-type", b"application/json")]
    return Request({"type": "http", "method": "POST", "path": "/api/v1/datasets", "headers": headers}, receive)


async def given_up(parts: Context) -> None:
    """Sends an upload, and waits for it no longer once it is being read."""
    task = asyncio.create_task(create_dataset(upload(), parts, PROJECT))
    async with asyncio.timeout(60):
        while not any((parts.blobs.root / "incoming").glob("*/columns")):
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert any((parts.blobs.root / "incoming").iterdir()), "it is read still"


def test_an_upload_that_nobody_waits_for_any_more_is_stored_whole(parts: Context) -> None:
    asyncio.run(given_up(parts))
    parts.reading.shutdown(wait=True)
    with parts.database.read() as session:
        (row,), _ = datasets.page(session, PROJECT, 10, None)
    for file in datasets.files_of(row):
        parts.blobs.check(file)
    assert list((parts.blobs.root / "incoming").iterdir()) == []

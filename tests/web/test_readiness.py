"""Readiness is looked for once, however many ask at the same time, and again when they ask later."""

import asyncio
import threading

import pytest

from app.web import readiness as module
from app.web.readiness import Checks, Readiness


def test_many_who_ask_at_once_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow this machine is.
    monkeypatch.setattr(module, "FRESH_SECONDS", 60.0)
    looks: list[int] = []
    opened = threading.Event()

    def look() -> Checks:
        looks.append(len(looks))
        opened.wait(10)
        return {"database": str(len(looks))}

    async def ask() -> None:
        readiness = Readiness()
        waiting = [asyncio.create_task(readiness.seen(look)) for _ in range(500)]
        await asyncio.sleep(0.05)
        # One of them goes away, and the others get their answer all the same.
        waiting[0].cancel()
        opened.set()
        found = await asyncio.gather(*waiting[1:])
        assert found == [{"database": "1"}] * 499
        assert await readiness.seen(look) == {"database": "1"}
        monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
        assert await readiness.seen(look) == {"database": "2"}

    asyncio.run(ask())
    assert looks == [0, 1]

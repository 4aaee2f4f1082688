"""Tables of any length: answered while they come, cut off where they are not good, and nothing left of it."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psutil
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.assembly import context_of
from app.bulk.order import Form, Source
from app.domain.data.preprocessing import PictureInput
from app.errors import DropnormError, InvalidRows, TooLarge, Unavailable
from app.serving.catalogue import Served
from app.serving.csv_answers import CsvAnswers
from app.serving.predictor import Predictor, Question
from app.settings import Settings
from app.web import predict_stream
from app.web.answering import Table
from app.web.context import Context
from app.web.desk import Desk
from app.web.predict_options import Options
from app.web.predict_stream import stream
from tests.bulk.tables import FITTED, model

MEGABYTE = 1 << 20
HEADER = b"bill_length_mm,tagged,island,seen,year\n"
ROW = b"39.25,true,Biscoe,2024-01-31,2007\n"
ROWS_A_MEGABYTE = MEGABYTE // len(ROW)
ANY_NUMBER = {"prediction_rows": 1 << 40, "prediction_values": 1 << 40, "prediction_cells": 1 << 40}


def answering_processes() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if "app.bulk" in process.cmdline()]


class Asked:
    """A table asked of `stream` as the server would: `parts` of a body come, and what is sent is kept."""

    def __init__(self, context: Context, served: Served, predictor: Predictor) -> None:
        self.context, self._predictor = context, predictor
        self.table = Table(served, predictor, Source.CSV, Form.CSV, Options())
        self.sent: list[Message] = []
        self.read = asyncio.Event()
        self.read.set()

    async def whole(self, *parts: bytes) -> BaseException | None:
        return await self.of(received(parts))

    async def of(self, receive: Receive) -> BaseException | None:
        """How it failed, if it did."""
        try:
            await stream(Desk(self.context), self.table, {"type": "http"}, receive, self._send)
        except (DropnormError, ClientDisconnect, asyncio.CancelledError) as error:
            return error
        finally:
            assert not answering_processes(), "no process is left"
            assert not list((self.context.blobs.root / "incoming").iterdir()), "no file is left"
        return None

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False

    def expected(self, content: bytes) -> bytes:
        """What the same rows in one piece are answered."""
        raw = self._predictor.reader.of_csv(content.decode())
        answers = CsvAnswers(self._predictor.labels)
        return answers.header + answers.lines(self._predictor.answer(Question(raw=raw)).values)

    async def _send(self, message: Message) -> None:
        await self.read.wait()
        self.sent.append(message)


def received(parts: tuple[bytes, ...], at_end: Callable[[], Awaitable[None]] | None = None) -> Receive:
    """`receive` for a body in parts; at its end, or where `at_end` ends, the client is silent."""
    coming = iter(parts)

    async def receive() -> Message:
        part = next(coming, None)
        if part is None:
            if at_end is not None:
                await at_end()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": part != b""}

    return receive


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    made = context_of(Settings(data_dir=tmp_path_factory.mktemp("streams"), max_concurrent_streams=1))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def served(context: Context) -> tuple[Served, Predictor]:
    names = ("preprocessing.json", "frozen.onnx")
    files = {name: context.blobs.write(f"runs/{name}", content) for name, content in zip(names, model(), strict=True)}
    return Served("default", "run_x", "penguins", 1, files), Predictor(*model())


@pytest.fixture
def asked(context: Context, served: tuple[Served, Predictor]) -> Asked:
    return Asked(context, *served)


@pytest.fixture
def begins_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer begins with the first block."""
    monkeypatch.setattr(predict_stream, "HELD_BYTES", 1)


def test_rows_in_pieces_are_answered_as_in_one(asked: Asked) -> None:
    content = HEADER + ROW * 32_000 + b"50,no,Atlantis,,\n"
    pieces = [content[start : start + 70_001] for start in range(0, len(content), 70_001)]
    assert asyncio.run(asked.whole(*pieces, b"")) is None
    assert asked.body == asked.expected(content)
    assert (b"content-length", b"%d" % len(asked.body)) in asked.sent[0]["headers"]


def test_an_answer_comes_while_the_table_does(asked: Asked, begins_early: None) -> None:
    async def answered() -> None:
        async def at_end() -> None:
            while not asked.body.count(b"\n") > ROWS_A_MEGABYTE:
                await asyncio.sleep(0.01)
            raise ClientDisconnect

        failed = await asked.of(received((HEADER, ROW * (ROWS_A_MEGABYTE * 3)), at_end))
        assert failed is None, "told in the log: the answer had begun"

    asyncio.run(answered())
    assert not asked.is_whole


def test_whoever_reads_only_when_all_is_sent_waits_for_nothing(asked: Asked, begins_early: None) -> None:
    """More is answered than all pipes and sockets between them hold."""
    asked.read.clear()

    async def answered() -> BaseException | None:
        async def at_end() -> None:
            asked.read.set()

        return await asked.of(received((HEADER, *[ROW * ROWS_A_MEGABYTE] * 6, b""), at_end))

    assert asyncio.run(answered()) is None
    assert asked.body.count(b"\n") == ROWS_A_MEGABYTE * 6 + 1
    assert asked.is_whole


def test_what_is_wrong_is_told_by_row_and_column_before_the_answer_begins(asked: Asked) -> None:
    failed = asyncio.run(asked.whole(HEADER, ROW * 35_000, b"39,true,Biscoe,soon,2007\n", b""))
    assert isinstance(failed, InvalidRows)
    assert failed.errors[0].pointer == "/rows/35000/seen"
    assert asked.sent == []


def test_what_is_wrong_later_cuts_the_answer_off(
    asked: Asked, begins_early: None, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ROWS_A_MEGABYTE * 2
    assert asyncio.run(asked.whole(HEADER, ROW * rows, b"39,true,Biscoe,soon,2007\n", b"")) is None
    assert asked.sent[0]["status"] == 200
    assert not asked.is_whole
    assert f"/rows/{rows}/seen" in caplog.text


def test_an_unknown_column_is_told_while_the_table_still_comes(asked: Asked) -> None:
    failed = asyncio.run(asked.whole(b"wingspan," + HEADER, *[b"1," + ROW] * 40_000))
    assert isinstance(failed, InvalidRows)
    assert failed.code == "column_unknown"


def test_a_client_that_leaves_takes_its_process_along(asked: Asked) -> None:
    async def at_end() -> None:
        raise ClientDisconnect

    assert isinstance(asyncio.run(asked.of(received((HEADER, ROW), at_end))), ClientDisconnect)


@pytest.mark.parametrize("begun", [False, True])
def test_a_request_that_is_ended_takes_its_process_along(
    asked: Asked, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a key which was revoked: a torn table never ends like a whole one."""
    monkeypatch.setattr(predict_stream, "HELD_BYTES", 1 if begun else 1 << 40)

    async def ended() -> BaseException | None:
        request = asyncio.create_task(asked.of(received((HEADER, ROW * ROWS_A_MEGABYTE * 2))))
        while not (asked.sent if begun else answering_processes()):
            await asyncio.sleep(0.01)
        request.cancel()
        return await request

    assert isinstance(asyncio.run(ended()), asyncio.CancelledError) is not begun
    assert not asked.is_whole


def test_who_does_not_read_is_waited_for_only_so_long(
    asked: Asked, begins_early: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(predict_stream, "UNREAD_SECONDS", 0.01)
    sent = asked._send

    async def one(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()
        await sent(message)

    monkeypatch.setattr(asked, "_send", one)
    assert asyncio.run(asked.whole(HEADER, ROW, b"")) is None
    assert "not read in time" in caplog.text


def test_no_more_at_once_than_may_be(asked: Asked) -> None:
    async def one_more() -> BaseException | None:
        with asked.context.streams.one_more():
            return await asked.whole(HEADER, ROW, b"")

    assert isinstance(asyncio.run(one_more()), Unavailable)
    with asked.context.streams.one_more():
        """There is room again."""


@pytest.mark.parametrize(
    ("form", "limits", "output_bytes", "words"),
    [
        (Form.CSV, {"stream_seconds": 1}, 1 << 30, "more than 1 seconds of computing"),
        (Form.VALUES, {"ingest_memory_bytes": 256 * MEGABYTE, **ANY_NUMBER}, 1 << 30, "more than 256 MB of memory"),
        (Form.CSV, {}, 50_000, "more room than they may"),
    ],
)
def test_a_process_has_bounds(asked: Asked, form: Form, limits: dict[str, Any], output_bytes: int, words: str) -> None:
    bodies = dataclasses.replace(asked.context.rules.bodies, upload_bytes=output_bytes)
    asked.context = dataclasses.replace(
        asked.context,
        limits=dataclasses.replace(asked.context.limits, **limits),
        rules=dataclasses.replace(asked.context.rules, bodies=bodies),
    )
    asked.table = dataclasses.replace(asked.table, form=form)
    failed = asyncio.run(asked.whole(HEADER, *[ROW * ROWS_A_MEGABYTE] * 200))
    assert isinstance(failed, TooLarge)
    assert words in failed.detail


def test_a_process_that_is_killed_is_told_of(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    async def killed() -> BaseException | None:
        async def at_end() -> None:
            [process] = answering_processes()
            process.kill()

        return await asked.of(received((HEADER, ROW), at_end))

    assert isinstance(asyncio.run(killed()), TooLarge)
    assert "ended with status -9" in caplog.text


def test_a_model_of_pictures_takes_no_tables(asked: Asked) -> None:
    picture = FITTED.model_copy(update={"features": (), "picture": PictureInput(height=2, width=2, flat=True)})
    asked.table = dataclasses.replace(asked.table, predictor=Predictor(*model(picture)))
    failed = asyncio.run(asked.whole(HEADER, ROW, b""))
    assert isinstance(failed, InvalidRows)
    assert failed.code == "kind_mismatch"


def test_one_answer_in_json_has_its_own_bounds(asked: Asked) -> None:
    asked.table = dataclasses.replace(asked.table, form=Form.VALUES)
    asked.context = dataclasses.replace(
        asked.context, limits=dataclasses.replace(asked.context.limits, prediction_values=30)
    )
    failed = asyncio.run(asked.whole(HEADER, ROW * 11, b""))
    assert isinstance(failed, TooLarge)
    assert failed.code == "too_many_rows"
    assert asyncio.run(asked.whole(HEADER, ROW * 10, b"")) is None

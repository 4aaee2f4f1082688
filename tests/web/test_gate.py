"""Load shedding: a prediction that would wait too long is turned away before anything is done for it."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from app.assembly import context_of
from app.settings import load
from app.web.connection import Connection
from app.web.gate import LEAST, Gate

REQUEST = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
PREDICT, OTHER = b"/api/v1/models/m/predict", b"/api/v1/networks"


class Socket(asyncio.Transport):
    """The client's end of a connection: keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """All is read already."""

    def resume_reading(self) -> None:
        """All is read already."""


class Slow:
    """Answers every request once it is told to."""

    def __init__(self) -> None:
        self.go, self.begun = asyncio.Event(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def full(gate: Gate) -> None:
    """Teaches `gate` that an answer takes a while, and has as many wait as may however long."""
    for number in range(LEAST):
        gate.enter(number)
    while not gate.is_full:
        gate.leave(0)
        gate.enter(0)


OVERLOADED = "more predictions wait than can be answered soon; try again"
TOLD = [
    (PREDICT, {"code": "overloaded", "detail": OVERLOADED}),
    (b"/v2/models/m/infer", {"error": OVERLOADED}),
    (b"/v1/models/m:predict", {"error": OVERLOADED}),
    (b"/invocations", {"error_code": "TEMPORARILY_UNAVAILABLE", "message": OVERLOADED}),
]


@pytest.mark.parametrize(("path", "told"), TOLD, ids=["ours", "triton", "tensorflow", "scoring"])
def test_a_prediction_too_many_is_refused_at_once_and_the_connection_goes_on(
    tmp_path: Path, path: bytes, told: dict[str, str]
) -> None:
    async def scene() -> None:
        settings = load({"DROPNORM_DATA_DIR": str(tmp_path), "DROPNORM_MAX_WAIT_SECONDS": "0.000001"})
        context, app = context_of(settings), Slow()
        config = Config(app, log_config=None, lifespan="off", ws="none")
        config.load()
        connection, client = Connection(config, ServerState(), {"context": context}), Socket()
        connection.connection_made(client)
        full(context.gate)

        connection.data_received(REQUEST % path)
        head, _, body = client.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in head.lower()
        assert b"\r\nx-content-type-options: nosniff" in head
        document = json.loads(body)
        assert {name: document[name] for name in told} == told
        connection.data_received(REQUEST % OTHER)
        await asyncio.sleep(0.01)
        assert app.begun == 1, "what is no prediction is not refused"
        app.go.set()
        await asyncio.sleep(0.01)
        assert b"HTTP/1.1 200 OK" in client.written

        for number in range(LEAST):
            context.gate.leave(number)
        connection.data_received(REQUEST % path)
        assert context.gate.waiting == 1
        await asyncio.sleep(0.01)
        assert not context.gate.waiting
        assert client.written.count(b"HTTP/1.1 200 OK") == 2
        text = context.metrics.text().decode()
        assert "dropnorm_predictions_refused_total 1.0" in text

    asyncio.run(scene())


def test_few_may_wait_however_long_and_many_while_they_are_quick() -> None:
    refused: list[int] = []
    gate = Gate(60, lambda: refused.append(1))
    for number in range(10 * LEAST):
        gate.enter(number)
    for number in range(LEAST):
        gate.leave(number)
    assert not gate.is_full, "a minute may be waited, and answers come within microseconds"
    slow = Gate(1e-9, lambda: refused.append(1))
    for number in range(LEAST - 1):
        slow.enter(number)
    slow.leave(0)
    assert not slow.is_full
    assert refused == []


def test_a_table_that_takes_long_teaches_the_gate_nothing() -> None:
    gate = Gate(0.05, lambda: None)
    gate.enter("table")
    gate.step_aside("table")
    assert gate.waiting == 0
    for number in range(LEAST):
        gate.enter(number)
    gate.leave("table")
    assert gate.waiting == LEAST
    assert not gate.is_full


def test_what_never_entered_does_not_step_aside() -> None:
    gate = Gate(0.05, lambda: None)
    gate.step_aside("table")
    assert gate.waiting == 0


def test_a_body_that_is_still_to_come_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def scene() -> None:
        context, app = context_of(load({"DROPNORM_DATA_DIR": str(tmp_path)})), Slow()
        config = Config(app, log_config=None, lifespan="off", ws="none")
        config.load()
        connection = Connection(config, ServerState(), {"context": context})
        connection.connection_made(Socket())
        request = REQUEST % PREDICT

        def waiting() -> int:
            return context.gate.waiting

        connection.data_received(request[:-1])
        await asyncio.sleep(0.01)
        assert app.begun
        assert waiting() == 0
        connection.data_received(request[-1:])
        assert waiting() == 1
        app.go.set()
        await asyncio.sleep(0.01)
        assert waiting() == 0

    asyncio.run(scene())

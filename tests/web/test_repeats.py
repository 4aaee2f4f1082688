"""Requests whose headers came before on the same connection are answered as the first one was."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from app.assembly import context_of
from app.settings import load
from app.web import repeats
from app.web.access import Access
from app.web.app import ROUTERS, create_inner_app, short_ways
from app.web.connection import Connection
from app.web.gate import LEAST
from app.web.hot import ShortWay
from app.web.lane import Head, Lane
from app.web.observing import observed
from app.web.outgoing import HEADERS_BY_NAME
from app.web.repeated import Repeated, repeated
from app.web.repeats import Repeats
from tests.conftest import Json
from tests.samples import scraped
from tests.service import Service
from tests.web.test_gate import Socket, full
from tests.web.test_lane import CASES, ROWS, VARYING, answered, raw, sure

BODY = json.dumps({"instances": ROWS}).encode()
LONGER = json.dumps({"instances": ROWS * 2}).encode()


def kept(head: bytes) -> bytes:
    """A head whose connection stays."""
    return head.replace(b"Connection: close\r\n", b"")


def request(body: bytes, path: str = sure(), headers: Json | None = None) -> bytes:
    head, _ = raw(body, path, headers or {})
    return kept(head) + body


def next_answer(connection: socket.socket) -> list[bytes]:
    """The next answer on a connection, as `answered` has it."""
    whole = b""
    while b"\r\n\r\n" not in whole:
        piece = connection.recv(1 << 16)
        assert piece, "the connection ended"
        whole += piece
    head, _, body = whole.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    [length] = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(1 << 16)
    assert len(body) == length, "nothing was asked beyond it"
    return [*sorted(line for line in lines if not line.lower().startswith(VARYING)), body]


def connected(service: Service) -> socket.socket:
    host, port = service.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_again_is_answered_again(
    service: Service, penguins_run: Json, pictures_run: Json, case: str
) -> None:
    head, body = raw(*CASES[case])
    alone = [line for line in answered(service, head + body) if line.lower() != b"connection: close"]
    with closing(connected(service)) as connection:
        for _ in range(3):
            connection.sendall(kept(head) + body)
            assert next_answer(connection) == alone


def test_only_the_length_may_be_another_and_the_body_may_come_in_parts(service: Service, penguins_run: Json) -> None:
    usual = {body: answered(service, *raw(body, sure(), {}))[-1] for body in (BODY, LONGER)}
    with closing(connected(service)) as connection:
        for body in (BODY, LONGER, BODY):
            connection.sendall(request(body))
            assert next_answer(connection)[-1] == usual[body]
        for at in (1, -len(LONGER), -1):
            whole = request(LONGER)
            connection.sendall(whole[:at])
            connection.sendall(whole[at:])
            assert next_answer(connection)[-1] == usual[LONGER]


def test_a_wrong_body_behind_known_headers_is_refused_and_the_next_one_answered(
    service: Service, penguins_run: Json
) -> None:
    wrong = b'{"instances": [{"island": 3}]}'
    with closing(connected(service)) as connection:
        for body, status in ((BODY, 200), (wrong, 422), (BODY, 200), (b"{", 400), (LONGER, 200)):
            connection.sendall(request(body))
            assert b" %d " % status in b"".join(next_answer(connection)[:-1])


def test_what_is_asked_again_is_counted_as_any_other(service: Service, penguins_run: Json) -> None:
    before = scraped(service.client)
    with closing(connected(service)) as connection:
        for _ in range(4):
            connection.sendall(request(BODY))
            next_answer(connection)
    after = scraped(service.client)
    asked = {"route": "/api/v1/models/{name}/predict", "method": "POST", "status": "200"}
    counted = {
        "dropnorm_http_requests_total": (4, asked),
        "dropnorm_prediction_rows_total": (4 * len(ROWS), {"project": "default", "model": "palmer"}),
        "dropnorm_model_cache_requests_total": (4, {"outcome": "hit"}),
    }
    for name, (count, labels) in counted.items():
        assert after.value(name, **labels) - before.value(name, **labels) == count


class Line:
    """A connection within this process, over the models of a running service, and its client's end."""

    def __init__(self, service: Service) -> None:
        self.context = context_of(
            load({"DROPNORM_DATA_DIR": str(service.data_dir), "DROPNORM_MAX_WAIT_SECONDS": "0.000001"})
        )
        families = short_ways(self.context, "0")
        inner = create_inner_app(self.context, "0", families)
        door = Access(ShortWay(inner, families), None, self.context.rules)
        outermost = observed(door, inner, ROUTERS, self.context)
        self.lane = Lane(outermost, door, families)
        config = Config(outermost, log_config=None, lifespan="off", ws="none")
        config.load()
        state = {"context": self.context, "lane": self.lane}
        self.connection, self.client = Connection(config, ServerState(), state), Socket()
        self.connection.connection_made(self.client)

    async def answers(self, count: int) -> list[bytes]:
        """The bodies written since the last call, once there are so many."""
        for _ in range(2_000):
            if self.client.written.count(b"HTTP/1.1 ") == count:
                break
            await asyncio.sleep(0.005)
        found, self.client.written = self.client.written.split(b"HTTP/1.1 ")[1:], b""
        assert len(found) == count
        return [answer.partition(b"\r\n\r\n")[2] for answer in found]

    async def known(self) -> bytes:
        """Has the headers known; answers what was answered."""
        first = b""
        for _ in range(3):
            self.connection.data_received(request(BODY))
            [first] = await self.answers(1)
        return first


def on_a_line(service: Service, scene: Callable[[Line], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene(Line(service))

    asyncio.run(run())


def test_what_comes_behind_a_request_waits_for_its_answer(service: Service, penguins_run: Json) -> None:
    async def scene(line: Line) -> None:
        one = await line.known()
        line.connection.data_received(request(LONGER))
        [two] = await line.answers(1)
        # In one piece; in two while the first is under way; and with another kind of request behind.
        line.connection.data_received(request(BODY) * 2)
        assert await line.answers(2) == [one, one]
        line.connection.data_received(request(BODY))
        line.connection.data_received(request(BODY)[:20])
        line.connection.data_received(request(BODY)[20:] + request(LONGER))
        assert [len(answer) for answer in await line.answers(3)] == [len(one), len(one), len(two)]
        line.connection.data_received(request(BODY))
        line.connection.data_received(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await line.answers(2) == [one, b'{"status":"alive"}']

    on_a_line(service, scene)


def test_one_too_many_is_turned_away_there_too(service: Service, penguins_run: Json) -> None:
    async def scene(line: Line) -> None:
        one = await line.known()
        full(line.context.gate)
        line.connection.data_received(request(BODY))
        assert line.client.written.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in line.client.written
        assert json.loads((await line.answers(1))[0])["code"] == "overloaded"
        for number in range(LEAST):
            line.context.gate.leave(number)
        line.connection.data_received(request(BODY))
        assert await line.answers(1) == [one]

    on_a_line(service, scene)


def test_a_body_that_is_slow_goes_the_usual_way(
    service: Service, penguins_run: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "GATHER_SECONDS", 0.01)

    async def scene(line: Line) -> None:
        one = await line.known()
        line.connection.data_received(request(BODY)[:-5])
        assert Repeats._gathered == len(BODY)
        await asyncio.sleep(0.05)
        assert Repeats._gathered == 0
        line.connection.data_received(request(BODY)[-5:])
        assert await line.answers(1) == [one]
        line.connection.data_received(request(BODY)[:-5])
        line.connection.connection_lost(ConnectionResetError())
        assert Repeats._gathered == 0

    on_a_line(service, scene)


def test_the_last_answer_of_a_server_that_stops_is_given_and_says_so(service: Service, penguins_run: Json) -> None:
    async def scene(line: Line) -> None:
        await line.known()
        line.connection.data_received(request(BODY))
        line.connection.shutdown()
        for _ in range(5):
            await asyncio.sleep(0)
        assert b"HTTP/1.1 200 OK" in line.client.written
        assert b"connection: close\r\n" in line.client.written

    on_a_line(service, scene)


def test_a_connection_that_asks_again_is_kept_and_one_that_is_quiet_is_not(
    service: Service, penguins_run: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(line: Line) -> None:
        await line.known()
        closed: list[bool] = []
        monkeypatch.setattr(line.client, "close", lambda: closed.append(True))
        line.connection.timeout_keep_alive = 1
        line.connection.timeout_keep_alive_handler()
        assert not closed, "it was just answered"
        assert line.connection._repeats is not None
        line.connection._repeats.answered_at -= 1
        line.connection.timeout_keep_alive_handler()
        assert closed

    on_a_line(service, scene)


def said(head: bytes, http_version: str = "1.1") -> Repeated | None:
    """What is kept of a request with this head."""
    lines = head.replace(b"\r\n", b"\n").split(b"\n")[1:]
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]
    headers = dict(reversed(pairs))
    scope = {"headers": pairs, "http_version": http_version, HEADERS_BY_NAME: headers}
    return repeated(head, Head(scope, headers, lambda *_: None, "predict", None))


PLAIN = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nAuthorization: Bearer k\r\n\r\n"


def test_a_plain_head_is_kept_and_found_with_another_length() -> None:
    kept_head = said(PLAIN)
    assert kept_head is not None
    again = PLAIN.replace(b"12", b"3") + b"abc"
    assert kept_head.places(again) == (len(again) - 3, len(again))
    assert kept_head.places(PLAIN) == (len(PLAIN), len(PLAIN) + 12)
    for other in (b"Bearer j", b"Bearer kk"):
        assert kept_head.places(again.replace(b"Bearer k", other)) is None
    for length in (b"", b"-3", b"+3", b"3 ", b"0x3", b"3\r\nX: y", b"123456789"):
        assert kept_head.places(PLAIN.replace(b"12", length) + b"abc") is None
    assert kept_head.places(PLAIN[:40]) is None


@pytest.mark.parametrize(
    "head",
    [
        PLAIN.replace(b"\r\n", b"\n", 1),
        PLAIN.replace(b"Host: a", b"Content-Length: 12"),
        PLAIN.replace(b"Host: a", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"Host: a", b"Expect: 100-continue"),
        PLAIN.replace(b"Host: a", b"Connection: close"),
        PLAIN.replace(b"Host: a", b"Connection: keep-alive, upgrade"),
        PLAIN.replace(b"Host: a", b"Host: " + b"a" * 5_000),
        PLAIN.replace(b"Content-Length: 12", b"X-Content-Length: 12"),
        b"\r\n" + PLAIN,
        PLAIN.replace(b"POST", b"PUT"),
    ],
)
def test_a_head_that_is_in_any_way_unusual_is_not_kept(head: bytes) -> None:
    assert said(head) is None


def test_nothing_is_kept_of_an_older_protocol() -> None:
    assert said(PLAIN, "1.0") is None

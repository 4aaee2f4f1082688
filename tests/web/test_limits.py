"""What one key may ask for, and what a connection must bring in time: each limit met, and told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from app.web.bounded import HEADER_BYTES, HEADER_SECONDS
from tests.answers import expect_problem
from tests.keys import ADMIN, client, guarded, holder
from tests.service import Service
from tests.worker.processes import until

MEGABYTE = 1 << 20
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys or worker, and with small limits."""
    limits = {
        "max_buffered_bytes": str(4 * MEGABYTE),
        "max_concurrent_uploads": "2",
        "max_concurrent_requests": "40",
        "body_seconds": "1",
    }
    with Service(tmp_path_factory.mktemp("narrow"), workers="0", **limits) as running:
        yield running


def connected(service: Service, start: bytes) -> socket.socket:
    """A connection over which `start` was sent."""
    host, _, port = service.address.removeprefix("http://").partition(":")
    made = socket.create_connection((host, int(port)), timeout=30)
    made.sendall(start)
    return made


def said(connection: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    heard = b""
    try:
        while part := connection.recv(65_536):
            heard += part
    except ConnectionResetError:
        pass
    return heard


def hear(connection: socket.socket, word: bytes) -> None:
    """Waits until `word` was said; headers and body may come one after the other."""
    heard = b""
    while word not in heard:
        part = connection.recv(65_536)
        assert part, heard
        heard += part


def post(path: str, length: int, more: bytes = JSON) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
    return head.encode() + more + b"\r\n"


def trickle(connection: socket.socket, seconds: float) -> None:
    """A byte now and then, until the other side has had enough."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < end:
        try:
            connection.sendall(b" ")
        except OSError:
            return
        pause.wait(0.1)


def test_a_body_that_trickles_is_told_and_its_connection_ended(narrow: Service) -> None:
    with connected(narrow, post("/api/v1/networks", 5_000)) as slow:
        sender = threading.Thread(target=trickle, args=(slow, 10))
        sender.start()
        begin = time.monotonic()
        heard = said(slow)
        sender.join()
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in heard
    assert time.monotonic() - begin < 9


def test_a_body_that_never_comes_is_told_too(narrow: Service) -> None:
    form = b"Content-Type: multipart/form-data; boundary=b\r\n"
    for path, more in (("/api/v1/datasets", form), ("/api/v1/runs", JSON), ("/api/v1/models/x/predict", JSON)):
        with connected(narrow, post(path, 5_000, more)) as silent:
            status = said(silent).split(b" ", 2)[1]
        # A model that is not there needs no body to be told so.
        assert status == (b"404" if "predict" in path else b"408")


def test_a_body_that_comes_slowly_but_steadily_is_taken(narrow: Service) -> None:
    body = b'{"layers": [{"type": "dense", "units": 3}]' + b" " * 40_000 + b"}"
    with connected(narrow, post("/api/v1/networks/check", len(body))[:-2] + b"Connection: close\r\n\r\n") as steady:
        pause = threading.Event()
        for start in range(0, len(body), 2_000):
            steady.sendall(body[start : start + 2_000])
            pause.wait(0.1)
        assert said(steady).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (HEADER_BYTES + 200_000), b"431"),
        (b"GET /" + b"x" * (HEADER_BYTES + 200_000), b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000, b"431"),
    ],
    ids=["no request", "no version", "a long header", "a long path", "many headers"],
)
def test_what_is_no_request_is_a_problem_and_the_end_of_the_connection(
    narrow: Service, start: bytes, status: bytes
) -> None:
    with connected(narrow, start) as strange:
        heard = said(strange)
    if heard:
        # The kernel may throw the answer away where more was still being sent.
        assert heard.startswith(b"HTTP/1.1 " + status + b" ")
        assert b"application/problem+json" in heard
        assert b"Invalid HTTP" not in heard
    assert narrow.client.get("/healthz").status_code == 200


def test_headers_that_do_not_come_end_the_connection(narrow: Service) -> None:
    begin = time.monotonic()
    starts = [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", post("/api/v1/runs", 10)[:-2]]
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(connected(narrow, start)) for start in starts]
        assert [said(one) for one in slow] == [b""] * len(starts)
    assert HEADER_SECONDS - 1 < time.monotonic() - begin < HEADER_SECONDS + 10


def test_a_second_request_on_a_connection_has_its_own_time(narrow: Service) -> None:
    with connected(narrow, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as kept:
        hear(kept, b"alive")
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        begin = time.monotonic()
        assert said(kept) == b""
        assert time.monotonic() - begin > HEADER_SECONDS - 1


def waiting(service: Service, path: str, more: bytes, count: int, opened: ExitStack) -> list[socket.socket]:
    """Requests whose bodies are on the way."""
    return [opened.enter_context(connected(service, post(path, 9_000, more) + b"{")) for _ in range(count)]


def eventually(call: Callable[[], httpx.Response], status: int) -> httpx.Response:
    return until(lambda: answer if (answer := call()).status_code == status else None, 10)


def test_uploads_at_once_are_limited(narrow: Service) -> None:
    form = b"Content-Type: multipart/form-data; boundary=b\r\n"
    with ExitStack() as opened:
        waiting(narrow, "/api/v1/datasets", form, 2, opened)
        upload = {"file": ("x.csv", b"a,b\n1,x\n2,y\n3,x\n")}
        refused = eventually(lambda: narrow.client.post("/api/v1/datasets", files=upload), 429)
        expect_problem(refused, 429, "too_many_uploads")
        assert int(refused.headers["retry-after"]) > 0
        assert narrow.client.get("/api/v1/datasets").status_code == 200
    assert eventually(lambda: narrow.client.post("/api/v1/datasets", files=upload), 201)


def test_requests_at_once_are_limited_for_each_key(tmp_path: Path) -> None:
    with (
        guarded(tmp_path, workers="0", max_concurrent_requests="3") as service,
        holder(service, "train", "read") as one,
        holder(service, "read") as other,
        ExitStack() as opened,
    ):
        key = one.headers["authorization"].encode()
        waiting(service, "/api/v1/networks", JSON + b"Authorization: " + key + b"\r\n", 3, opened)
        expect_problem(eventually(lambda: one.get("/api/v1/networks"), 429), 429, "too_many_at_once")
        assert other.get("/api/v1/networks").status_code == 200


def test_requests_a_second_are_limited_for_each_key(tmp_path: Path) -> None:
    with (
        guarded(tmp_path, workers="0", max_requests_per_second="20") as service,
        holder(service, "read") as one,
        holder(service, "read") as other,
    ):
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: one.get("/api/v1/networks"), range(200)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.status_code for answer in answers} == {200, 429}
        expect_problem(refused[0], 429, "too_many_requests")
        assert other.get("/api/v1/networks").status_code == 200
        # Whoever asks without a key takes nothing from whom a proxy sends to see whether this lives.
        with client(service, None) as nobody:
            assert {nobody.get("/healthz").status_code for _ in range(100)} == {200}
        # The bucket fills again.
        eventually(lambda: one.get("/api/v1/networks"), 200)


def test_bodies_together_take_no_more_memory_than_allowed(narrow: Service) -> None:
    part = b" " * (MEGABYTE + MEGABYTE // 2)
    with ExitStack() as opened:
        held = [
            opened.enter_context(connected(narrow, post("/api/v1/runs", 2 * MEGABYTE, JSON) + part)) for _ in range(2)
        ]
        assert len(held) == 2
        body = b'{"layers": ["' + b"x" * (2 * MEGABYTE) + b'"]}'
        headers = {"Content-Type": "application/json"}
        refused = eventually(lambda: narrow.client.post("/api/v1/networks", content=body, headers=headers), 503)
        expect_problem(refused, 503, "overloaded")
        assert narrow.client.post("/api/v1/networks/check", json={"layers": [{"type": "dense"}]}).status_code == 200
    # Their room is given back.
    eventually(lambda: narrow.client.post("/api/v1/networks", content=body, headers=headers), 413)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "x"])
def test_an_encoded_body_is_refused_by_name(narrow: Service, encoding: str) -> None:
    for path in ("/api/v1/networks", "/api/v1/datasets", "/api/v1/models/x/predict", "/api/v1/runs/check"):
        answer = narrow.client.post(path, content=b"\x1f\x8b\x08\x00", headers={"Content-Encoding": encoding})
        expect_problem(answer, 415, "encoding_unsupported")


def test_a_body_whose_encoding_is_none_is_taken(narrow: Service) -> None:
    answer = narrow.client.post(
        "/api/v1/networks/check", json={"layers": [{"type": "dense"}]}, headers={"Content-Encoding": "identity"}
    )
    assert answer.status_code == 200


def test_what_stands_behind_a_body_is_no_header_and_has_an_end(narrow: Service) -> None:
    start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    for trailer in (b"a: b\r\n", b"x" * 8):
        with connected(narrow, start) as endless:
            sent = 0
            with suppress(OSError):
                while sent < 50 * MEGABYTE:
                    endless.sendall(trailer * 8_192)
                    sent += len(trailer) * 8_192
            assert sent < 20 * MEGABYTE, "what lies in the system's buffers, and no more"
    assert narrow.client.get("/healthz").status_code == 200


def test_a_trailer_opens_no_door(tmp_path: Path) -> None:
    with guarded(tmp_path, workers="0") as service:
        trailer = f"Authorization: Bearer {ADMIN}\r\nConnection: close\r\n".encode()
        head = b"GET /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        with connected(service, head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + trailer + b"\r\n") as one:
            assert said(one).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "rest",
    [b"\r\n", b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"],
    ids=["an empty line", "a body that nobody reads"],
)
def test_a_connection_on_which_nothing_goes_on_ends(narrow: Service, rest: bytes) -> None:
    with connected(narrow, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as kept:
        hear(kept, b"alive")
        kept.sendall(rest)
        begin = time.monotonic()
        said(kept)
        assert time.monotonic() - begin < HEADER_SECONDS + 10


def test_thousands_of_faults_in_one_request_cost_little(narrow: Service) -> None:
    begin = time.monotonic()
    layers: list[dict[str, str]] = [{}] * 20_000
    expect_problem(narrow.client.post("/api/v1/networks/check", json={"layers": layers}), 422)
    query = "&".join(f"{number}x=1" for number in range(5_000))
    expect_problem(narrow.client.get(f"/api/v1/runs?{query}"), 422)
    assert time.monotonic() - begin < 15

"""T15: chunked bodies without an end, in chunks of one byte too, and lengths that cannot be. Cut off at the limit."""

import http.client
import select
import time
from collections.abc import Iterator

import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.service import Service

MEGABYTE = 1 << 20
FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}
START = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with small limits and no worker: uploads of 4 MB, other bodies of 1 MB."""
    limits = {"max_upload_bytes": str(4 * MEGABYTE), "max_body_bytes": str(MEGABYTE)}
    with Service(tmp_path_factory.mktemp("small"), workers="0", **limits) as running:
        yield running


def endless(
    service: Service, path: str, headers: dict[str, str], start: bytes, chunk: bytes, times: int = 1
) -> tuple[int, int]:
    """Sends `chunk`s, `times` to a packet, until the service answers; the status, and how many bytes it let itself be
    sent. 0 where the connection ends without an answer, or where none has come after 200 MB."""
    host, _, port = service.address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("POST", path)
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"%x\r\n%s\r\n" % (len(start), start))
    packet = b"%x\r\n%s\r\n" % (len(chunk), chunk) * times
    sent = len(start)
    try:
        while sent < 200 * MEGABYTE and not select.select([connection.sock], [], [], 0)[0]:
            connection.send(packet)
            sent += len(chunk) * times
        return (connection.getresponse().status if sent < 200 * MEGABYTE else 0), sent
    except (http.client.HTTPException, OSError):
        return 0, sent
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "headers", "start", "limit"),
    [
        ("/api/v1/datasets", FORM, START, 4 * MEGABYTE),
        ("/api/v1/datasets", {"Content-Type": "application/json"}, b'{"rows": [', 4 * MEGABYTE),
        ("/api/v1/networks", {"Content-Type": "application/json"}, b'{"layers": [', MEGABYTE),
        ("/api/v1/runs/check", {"Content-Type": "application/json"}, b'{"dataset": "', MEGABYTE),
    ],
)
def test_an_endless_body_is_cut_off_at_the_limit(
    small: Service, path: str, headers: dict[str, str], start: bytes, limit: int
) -> None:
    memory = Memory(small)
    status, sent = endless(small, path, headers, start, b"1.5,a\n" * 5_000)
    assert status == 413
    # Some more lies in the system's buffers, and on the way while the answer comes.
    assert sent < limit + 30 * MEGABYTE
    assert memory.grown() < 50 * MEGABYTE
    assert small.client.get("/healthz").status_code == 200
    assert list((small.data_dir / "incoming").iterdir()) == []


def test_a_body_over_the_limit_is_refused_with_413(small: Service) -> None:
    def pieces(total: int) -> Iterator[bytes]:
        for _ in range(total // 1000):
            yield b"1.5,2.5,a\n" * 100

    headers = {"Content-Type": "application/json"}
    answer = small.client.post("/api/v1/networks", content=pieces(MEGABYTE + 50_000), headers=headers)
    expect_problem(answer, 413)
    expect_problem(
        small.client.post("/api/v1/networks", content=bytes(MEGABYTE + 1), headers=headers), 413, "body_too_large"
    )
    big = small.client.post("/api/v1/datasets", files={"file": ("x.csv", bytes(4 * MEGABYTE))})
    expect_problem(big, 413, "body_too_large")


def test_a_body_in_chunks_of_one_byte_is_cut_off_and_others_are_served(small: Service) -> None:
    begin = time.monotonic()
    status, sent = endless(small, "/api/v1/networks", {"Content-Type": "application/json"}, b"[", b"[", 10_000)
    assert status == 413
    assert sent < 4 * MEGABYTE
    assert time.monotonic() - begin < 30
    assert small.client.get("/healthz").elapsed.total_seconds() < 2


@pytest.mark.parametrize("length", ["-1", "1.5", "x", "9" * 30, "0x10", "1, 1"])
def test_a_length_that_cannot_be_is_refused(service: Service, length: str) -> None:
    host, _, port = service.address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest("POST", "/api/v1/networks")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", length)
    connection.endheaders(b"{}")
    assert 400 <= connection.getresponse().status < 500
    connection.close()

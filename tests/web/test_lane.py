"""The shortest way answers as the usual way does: the same bytes, whatever is asked."""

import json
import socket
import time

import numpy as np
import pytest

from tests.conftest import Json
from tests.samples import scraped
from tests.service import Service
from tests.web.predictions import npy_of, penguin_rows
from tests.web.test_predict_pictures import pixels, png

ROWS = penguin_rows()[:3]
VARYING = (b"date: ", b"x-request-id: ")


def raw(body: bytes, path: str, headers: Json) -> tuple[bytes, bytes]:
    """A request as its head and its body."""
    given = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode(), body


def answered(service: Service, *parts: bytes) -> list[bytes]:
    """The lines of the answer's head, without what differs each time, and its body last. Parts come one by one."""
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02 if len(parts) > 1 else 0)
        whole = b""
        while piece := connection.recv(1 << 16):
            whole += piece
    head, _, body = whole.partition(b"\r\n\r\n")
    return [*sorted(line for line in head.split(b"\r\n") if not line.lower().startswith(VARYING)), body]


def sure(model: str = "palmer") -> str:
    return f"/api/v1/models/{model}/predict"


JSON = {"Content-Type": "application/json"}
CASES: dict[str, tuple[bytes, str, Json]] = {
    "rows by name": (json.dumps({"instances": ROWS}).encode(), sure(), {}),
    "rows as arrays": (json.dumps({"instances": [list(ROWS[0].values())]}).encode(), sure(), {}),
    "a row that is odd": (json.dumps({"instances": [{"island": "Atlantis", "year": 3000}]}).encode(), sure(), {}),
    "a row that is wrong": (json.dumps({"instances": [{"island": 3}]}).encode(), sure(), {}),
    "options in the body": (json.dumps({"instances": ROWS, "options": {"top": 1}}).encode(), sure(), {}),
    "no rows": (b'{"instances": []}', sure(), {}),
    "no JSON": (b"{", sure(), {}),
    "an unknown model": (json.dumps({"instances": ROWS}).encode(), sure("nobody"), {}),
    "options in the query": (json.dumps({"instances": ROWS}).encode(), f"{sure()}?top=1", {}),
    "a CSV wanted": (json.dumps({"instances": ROWS}).encode(), sure(), {"Accept": "text/csv"}),
    "another type": (json.dumps({"instances": ROWS}).encode(), sure(), {"Content-Type": "text/plain"}),
    "another host": (json.dumps({"instances": ROWS}).encode(), sure(), {"Host": "evil.example"}),
    "another origin": (json.dumps({"instances": ROWS}).encode(), sure(), {"Origin": "http://evil.example"}),
    "an encoded body": (json.dumps({"instances": ROWS}).encode(), sure(), {"Content-Encoding": "gzip"}),
    "a picture": (png(pixels("trees")), sure("pictures"), {"Content-Type": "image/png"}),
    "an array of another shape": (
        npy_of(np.zeros((1, 5), np.float32)), sure("pictures"), {"Content-Type": "application/x-npy"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_piece_and_two_pieces_get_the_same_answer(
    service: Service, penguins_run: Json, pictures_run: Json, case: str
) -> None:
    head, body = raw(*CASES[case])
    service.client.post(sure(), json={"instances": ROWS})
    service.client.post(sure("pictures"), content=png(pixels("trees")), headers={"Content-Type": "image/png"})
    at_once, usual = answered(service, head + body), answered(service, head, body)
    assert at_once == usual


def test_what_goes_the_shortest_way_is_counted_as_any_other(service: Service, penguins_run: Json) -> None:
    head, body = raw(*CASES["rows by name"])
    answered(service, head, body)
    before = scraped(service.client)
    for _ in range(3):
        assert answered(service, head + body)[-1] == answered(service, head, body)[-1]
    after = scraped(service.client)
    route = {"method": "POST", "route": "/api/v1/models/{name}/predict", "status": "200"}
    requests = "dropnorm_http_requests_total"
    assert after.value(requests, **route) - before.value(requests, **route) == 6
    rows = {"project": "default", "model": "palmer"}
    name = "dropnorm_prediction_rows_total"
    assert after.value(name, **rows) - before.value(name, **rows) == 6 * len(ROWS)
    hits = "dropnorm_model_cache_requests_total"
    assert after.value(hits, outcome="hit") - before.value(hits, outcome="hit") == 6

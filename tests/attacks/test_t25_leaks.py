"""T25: answers that tell of the server's inside, and names that write lines of their own into its log."""

import json
import socket
from typing import Any

import httpx
import pytest

from tests.answers import INNER, expect_problem
from tests.attacks.places import METHODS, application, places
from tests.attacks.tenants import NETWORK, Tenant, ended_run
from tests.attacks.uploads import send
from tests.keys import ADMIN
from tests.service import HOME, Service, accepted
from tests.worker.processes import until

Json = dict[str, Any]
LIBRARIES = ("pyarrow", "Arrow", "PIL", "zipfile", "numpy", "incoming", ".py")
FORGED = "\r\n2026-01-01 00:00:00,000 ERROR dropnorm.web: FORGED\x1b[31m\x1b]0;FORGED\x07\u2028\u202e"
ENCODED = "%0d%0a2026-01-01%2000:00:00,000%20ERROR%20dropnorm.web:%20FORGED%1b%5b31m%c2%85%e2%80%a8%e2%80%ae"


def secrets(service: Service) -> list[str]:
    """What no answer and no line of the log may hold."""
    return [str(service.data_dir), str(HOME), ADMIN, "DROPNORM_", "postgresql://", "sqlite://", *INNER]


def said_since_start(service: Service) -> str:
    """The log without the greeting, which names the address and the data folder to whoever starts the service."""
    text = service.log.read_text()
    return text.partition("every call:")[2].partition("\n")[2]


def odd_requests(service: Service, tenant: Tenant) -> list[tuple[str, str, bytes]]:
    """Every place with every method and bodies that are broken in some way."""
    bodies = [b"", b"{", b"null", b'{"layers": [' * 50, b"\xff\xfe", json.dumps({"x" * 500: FORGED}).encode()]
    bodies += [json.dumps({"dataset": "'; DROP TABLE runs; --", "network": "\u0000"}).encode()]
    found = sorted({place.path for place in places(application(service.data_dir.parent / "application"))})
    names = {**tenant.ids, "dataset_id": "' OR 1=1 --", "run_id": ENCODED, "network_id": "%00", "name": "$HOME"}
    filled = [place.filled(**names) for place in places(application(service.data_dir.parent / "application"))]
    assert len(found) > 20
    return [(method, path, body) for path in sorted(set(filled)) for method in METHODS for body in bodies]


def test_no_answer_tells_of_the_inside(fortress: Service, ours: Tenant) -> None:
    asked = 0
    headers = {"Content-Type": "application/json"}
    for method, path, body in odd_requests(fortress, ours):
        answer = ours.client.request(method, path, content=body, headers=headers)
        assert answer.status_code < 500 or answer.status_code == 503, (method, path, body[:80])
        if answer.status_code >= 400:
            for word in secrets(fortress):
                assert word not in answer.text, (method, path, body[:80], word)
            assert all(word not in str(answer.headers) for word in secrets(fortress))
        asked += 1
    assert asked > 500
    with httpx.Client(base_url=fortress.address) as nobody:
        for header in (f"Bearer {ADMIN}x", f"Basic {ADMIN}", f"Bearer {ADMIN[:-1]}"):
            document = expect_problem(nobody.get("/api/v1/runs", headers={"Authorization": header}), 401)
            assert ADMIN[:-1] not in json.dumps(document)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(99), b"PAR1" + bytes(50) + b"PAR1", b"PK\x03\x04" + bytes(99), b"a\0b"]
)
@pytest.mark.parametrize("ending", ["csv", "parquet", "zip", "npz", "csv.gz", "tsv"])
def test_no_broken_file_brings_out_a_path_or_a_library(ours: Tenant, content: bytes, ending: str) -> None:
    document = expect_problem(send(ours.client, content, f"x.{ending}"), (413, 422))
    assert not {
        word for word in ("pyarrow", "Arrow", "PIL", "zipfile", "numpy", "incoming", ".py") if word in str(document)
    }


def leave_during(service: Service, path: str, key: str) -> None:
    """Sends the beginning of a body, and goes away."""
    host, _, port = service.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        )
        connection.sendall(head.encode())


def test_what_is_sent_starts_no_line_of_the_log(fortress: Service, ours: Tenant) -> None:
    network = accepted(ours.client.post("/api/v1/networks", json={**NETWORK, "name": FORGED[:100]}))["id"]
    run = {"dataset": ours.ids["dataset_id"], "network": network, "tags": [FORGED[:50]], "training": {"epochs": 1}}
    answer = ours.client.post("/api/v1/runs", json=run)
    if answer.status_code == 202:
        ended_run(ours.client, answer.json()["id"])
    else:
        expect_problem(answer, 422)
    key = str(ours.client.headers["Authorization"])
    before = said_since_start(fortress).count("went away")
    leave_during(fortress, f"/api/v1/runs/{ENCODED}/resume", key)
    until(lambda: said_since_start(fortress).count("went away") > before, 10)
    for name in (FORGED, FORGED.encode("latin-1", "replace").decode("latin-1")):
        ours.client.post("/api/v1/datasets", files={"file": ("x.csv", b"x,y\n1,2\n")}, data={"name": name})
    text = said_since_start(fortress)
    lines = text.split("\n")
    assert "FORGED" in text, "the path was written down, escaped"
    assert not [line for line in lines if line.startswith("2026-01-01 00:00:00,000 ERROR")]
    assert not {mark for mark in "\x1b\x07\r\x85\u2028\u202e" if mark in text}


def test_the_log_holds_no_secret_and_no_failure(fortress: Service, ours: Tenant) -> None:
    text = said_since_start(fortress)
    for word in [*secrets(fortress), ours.client.headers["Authorization"].removeprefix("Bearer ")]:
        assert word not in text, word
    assert "unexpected failure" not in text

"""Keys over HTTP: made and shown once, seen by their project, stopped within a second everywhere."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx
import pytest

from tests.answers import expect_problem, pointers
from tests.keys import ADMIN, client, guarded, holder, made
from tests.service import Service, accepted
from tests.worker.processes import until

CONNECTIONS = 12
ROWS = [{"x": number % 7 + 0.5, "y": "ab"[number % 2]} for number in range(40)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two processes on one port, which ask for keys; no worker, so that runs stay queued."""
    with guarded(tmp_path_factory.mktemp("pair"), processes="2", workers="0") as running:
        yield running


@pytest.fixture(scope="module")
def run(pair: Service) -> str:
    """A run that stays queued, and so has an event stream without an end."""
    dataset = accepted(pair.client.post("/api/v1/datasets", json={"rows": ROWS, "target": "y"}))
    queued: str = pair.submit(dataset["id"], {"layers": [{"type": "dense"}]})["id"]
    return queued


def test_without_a_key_nothing_but_health_and_documentation_is_answered(pair: Service) -> None:
    with client(pair, None) as nobody:
        for path in ("/healthz", "/docs", "/openapi.json", "/"):
            assert nobody.get(path).status_code == 200
        assert nobody.get("/readyz").status_code in (200, 503)
        for path in ("/api/v1/datasets", "/metrics", "/nothing", "/docs/", "/x//healthz", "/healthz/", "/api/v1/keys"):
            answer = nobody.get(path)
            expect_problem(answer, 401, "key_required")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        expect_problem(nobody.post("/healthz"), 401)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "key_required"),
        ("Bearer", "key_required"),
        (f"Basic {ADMIN}", "key_required"),
        (ADMIN, "key_required"),
        (f"Bearer {ADMIN}x", "key_unknown"),
        (f"Bearer {ADMIN[:-1]}", "key_unknown"),
        (f"Bearer {ADMIN} {ADMIN}", "key_unknown"),
        (f"Bearer {ADMIN.lower()}", "key_unknown"),
        ("Bearer dn_\u00e9", "key_unknown"),
        ("Bearer " + "x" * 10_000, "key_required"),
    ],
    ids=range(10),
)
def test_what_is_not_the_key_is_refused(pair: Service, header: str, code: str) -> None:
    with client(pair, None) as nobody:
        answer = nobody.get("/api/v1/datasets", headers=[(b"authorization", header.encode("latin-1"))])
    document = expect_problem(answer, 401, code)
    assert ADMIN not in json.dumps(document)


def test_a_key_is_shown_once_and_stored_nowhere(pair: Service) -> None:
    key = made(pair, "read")
    secret = key.pop("key")
    listed = accepted(pair.client.get("/api/v1/keys?limit=200"))["items"]
    assert key in listed
    assert accepted(pair.client.get(f"/api/v1/keys/{key['id']}")) == key
    assert secret not in json.dumps(listed)
    with closing(sqlite3.connect(pair.data_dir / "dropnorm.db")) as database:
        assert secret not in "\n".join(database.iterdump())
    assert secret not in pair.log.read_text()
    with client(pair, secret) as whoever:
        assert whoever.get("/api/v1/datasets").status_code == 200


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read", {"GET datasets"}),
        ("predict", {"POST models/x/predict", "POST runs/x/predict"}),
        ("train", {"POST networks", "DELETE datasets/x", "PUT models/x/aliases/y", "POST runs/x/cancel"}),
    ],
)
def test_a_scope_allows_its_own_and_nothing_else(pair: Service, scope: str, allowed: set[str]) -> None:
    calls = {
        "GET datasets",
        "GET keys",
        "POST keys",
        "DELETE keys/x",
        "POST models/x/predict",
        "POST runs/x/predict",
        "POST networks",
        "DELETE datasets/x",
        "PUT models/x/aliases/y",
        "POST runs/x/cancel",
    }
    with holder(pair, scope) as whoever:
        for call in calls:
            method, path = call.split()
            answer = whoever.request(method, f"/api/v1/{path}", json={})
            if call in allowed:
                assert answer.status_code not in (401, 403), call
            else:
                expect_problem(answer, 403, "scope_missing")


def statuses(clients: list[httpx.Client]) -> set[int]:
    return {one.get("/api/v1/datasets").status_code for one in clients}


def test_a_revoked_key_stops_in_every_process_within_a_second(pair: Service) -> None:
    key = made(pair, "read")
    with ExitStack() as opened:
        clients = [opened.enter_context(client(pair, key["key"])) for _ in range(CONNECTIONS)]
        assert statuses(clients) == {200}
        assert pair.client.delete(f"/api/v1/keys/{key['id']}").status_code == 204
        begin = last_let_in = time.monotonic()
        refused: set[int] = set()
        while len(refused) < CONNECTIONS:
            for number in set(range(CONNECTIONS)) - refused:
                asked = time.monotonic()
                if clients[number].get("/api/v1/datasets").status_code == 401:
                    refused.add(number)
                else:
                    last_let_in = asked
        assert last_let_in - begin < 1
        assert statuses(clients) == {401}
    expect_problem(pair.client.delete(f"/api/v1/keys/{key['id']}"), 404, "key_not_found")


def test_a_stream_ends_when_its_key_is_revoked(pair: Service, run: str) -> None:
    key = made(pair, "read")
    heard: list[str] = []

    def listen() -> None:
        with client(pair, key["key"]) as whoever, whoever.stream("GET", f"/api/v1/runs/{run}/events") as answer:
            heard.extend(answer.iter_lines())
            heard.append("ended")

    streams = [threading.Thread(target=listen) for _ in range(6)]
    for stream in streams:
        stream.start()
    until(lambda: sum("queued" in line for line in heard) == 6, 10)
    assert "ended" not in heard
    assert pair.client.delete(f"/api/v1/keys/{key['id']}").status_code == 204
    for stream in streams:
        stream.join(2)
    assert heard.count("ended") == 6
    assert "Exception in ASGI" not in pair.log.read_text()


def test_a_key_that_was_just_made_is_known_to_every_process(pair: Service) -> None:
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            key = made(pair, "read")["key"]
            clients = [client(pair, key) for _ in range(CONNECTIONS)]
            assert set(pool.map(lambda one: one.get("/api/v1/datasets").status_code, clients)) == {200}
            for one in clients:
                one.close()


def test_the_first_project_makes_keys_for_others_and_they_for_themselves(pair: Service) -> None:
    with holder(pair, "admin", project="other") as admin:
        own = accepted(admin.post("/api/v1/keys", json={"name": "own", "scopes": ["read"]}))
        assert own["project"] == "other"
        expect_problem(
            admin.post("/api/v1/keys", json={"name": "x", "scopes": ["read"], "project": "default"}),
            403,
            "project_not_yours",
        )
        expect_problem(admin.get("/api/v1/keys?project=default"), 403, "project_not_yours")
        assert {key["project"] for key in admin.get("/api/v1/keys").json()["items"]} == {"other"}
        foreign = made(pair, "read")["id"]
        expect_problem(admin.get(f"/api/v1/keys/{foreign}"), 404, "key_not_found")
        expect_problem(admin.delete(f"/api/v1/keys/{foreign}"), 404, "key_not_found")
    assert own["id"] in {key["id"] for key in pair.client.get("/api/v1/keys?project=other").json()["items"]}
    assert pair.client.delete(f"/api/v1/keys/{own['id']}").status_code == 204


def test_metrics_are_for_the_first_project_alone(pair: Service) -> None:
    with holder(pair, "read", "admin", project="other") as stranger:
        expect_problem(stranger.get("/metrics"), 404, "path_not_found")


def test_an_idempotency_key_makes_one_key_and_shows_it_once(pair: Service) -> None:
    wanted = {"name": "once", "scopes": ["read"]}
    headers = {"Idempotency-Key": "make one key"}

    def ask(_: int) -> httpx.Response:
        return pair.client.post("/api/v1/keys", json=wanted, headers=headers)

    with ThreadPoolExecutor(10) as pool:
        answers = [accepted(answer) for answer in pool.map(ask, range(20))]
    assert len({answer["id"] for answer in answers}) == 1
    shown = [answer["key"] for answer in answers if answer["key"]]
    assert len(shown) == 1
    with closing(sqlite3.connect(pair.data_dir / "dropnorm.db")) as database:
        assert shown[0] not in "\n".join(database.iterdump())


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"scopes": ["read"]}, "/name"),
        ({"name": "x"}, "/scopes"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["root"]}, "/scopes/0"),
        ({"name": "", "scopes": ["read"]}, "/name"),
        ({"name": "a\nb", "scopes": ["read"]}, "/name"),
        ({"name": "\u202e", "scopes": ["read"]}, "/name"),
        ({"name": "x", "scopes": ["read"], "project": "../x"}, "/project"),
        ({"name": "x", "scopes": ["read"], "expires_at": "yesterday"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": 4070908800}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2099-01-01"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "9999999999999999"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "key": "dn_mine"}, "/key"),
    ],
)
def test_a_wish_that_is_not_valid_is_named(pair: Service, wanted: dict[str, object], pointer: str) -> None:
    document = expect_problem(pair.client.post("/api/v1/keys", json=wanted), 422)
    assert pointer in pointers(document)


def test_a_key_with_an_end_tells_it(pair: Service) -> None:
    key = made(pair, "read", expires_at="2099-01-01T00:00:00Z")
    assert key["expires_at"] == "2099-01-01T00:00:00.000Z"

"""T28: a key for repetitions, replayed with the same body, with another, and twenty times at once. One thing is made.

Every route that takes such a key is found in the application's own description, so that none can be left out.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.service import Service, accepted
from tests.stored import rows

Json = dict[str, Any]
NETWORK: Json = {"layers": [{"type": "dense"}]}
TABLES = {"/datasets": "datasets", "/networks": "networks", "/runs": "runs", "/runs/{run_id}/resume": "runs"}
TABLES |= {"/keys": "keys", "/models/{name}/batch-predictions": "batch_predictions"}
ROWS = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(12)]
ONCE = {"key"}
"""What an answer holds the first time alone: a repetition of what was shown once does not show it again."""


def bodies(kind: str, penguins_run: Json) -> tuple[str, Json, Json]:
    """Where to send it, a body, and another body."""
    run = {"dataset": penguins_run["dataset"], "network": NETWORK, "model": "again", "training": {"epochs": 1}}
    found: dict[str, tuple[Json, Json]] = {
        "/datasets": ({"rows": ROWS}, {"rows": ROWS[:-1]}),
        "/networks": (NETWORK, {"layers": [{"type": "dense", "use_bias": False}]}),
        "/runs": (run, {**run, "model": "anew"}),
        "/runs/{run_id}/resume": ({"epochs": 5, "model": "again"}, {"epochs": 6, "model": "again"}),
        "/models/{name}/batch-predictions": (
            {"dataset": penguins_run["dataset"]},
            {"dataset": penguins_run["dataset"], "format": "parquet"},
        ),
        "/keys": ({"name": "again", "scopes": ["read"]}, {"name": "anew", "scopes": ["read"]}),
    }
    path = kind.replace("{run_id}", penguins_run["id"]).replace("{name}", penguins_run["model"])
    return (f"/api/v1{path}", *found[kind])


def post(api: httpx.Client, path: str, key: str, body: Json) -> httpx.Response:
    return api.post(path, json=body, headers={"Idempotency-Key": key})


def number(service: Service, kind: str) -> int:
    return int(str(rows(service, f"SELECT count(*) FROM {TABLES[kind]}")[0][0]))


def test_every_route_that_makes_something_is_tried_here(api: httpx.Client) -> None:
    document = strict_json(api.get("/openapi.json"))
    made = {
        path.removeprefix("/api/v1")
        for path, item in document["paths"].items()
        if {"201", "202"} & set(item.get("post", {}).get("responses", {})) and not path.endswith("/cancel")
    }
    taking = {
        path.removeprefix("/api/v1")
        for path, item in document["paths"].items()
        if any(one["name"] == "Idempotency-Key" for one in item.get("post", {}).get("parameters", []))
    }
    assert made == taking == set(TABLES)


@pytest.mark.parametrize("kind", TABLES)
def test_a_repetition_gets_the_first_answer_and_another_body_none(
    service: Service, api: httpx.Client, penguins_run: Json, kind: str
) -> None:
    path, body, other = bodies(kind, penguins_run)
    key, before = uuid.uuid4().hex, number(service, kind)
    first = post(api, path, key, body)
    for _ in range(3):
        again = post(api, path, key, body)
        assert (again.status_code, again.headers["location"]) == (first.status_code, first.headers["location"])
        kept = {name: value for name, value in accepted(first).items() if name not in ONCE}
        assert {name: value for name, value in accepted(again).items() if name not in ONCE} == kept
        assert kind != "/keys" or accepted(again)["key"] is None
        document = expect_problem(post(api, path, key, other), 409, "idempotency_key_reused")
        assert key not in str(document)
    assert number(service, kind) == before + 1


@pytest.mark.parametrize("kind", TABLES)
def test_twenty_at_once_make_one(service: Service, penguins_run: Json, kind: str) -> None:
    path, body, _ = bodies(kind, penguins_run)
    key, before = uuid.uuid4().hex, number(service, kind)

    def ask(_: int) -> httpx.Response:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            return post(client, path, key, body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.is_success for answer in answers} == {True}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert number(service, kind) == before + 1


@pytest.mark.parametrize("key", ["", "x" * 201, "x" * 60_000, "\x7f", "é"], ids=lambda key: repr(key)[:12])
def test_a_strange_key_is_refused_or_a_key_like_any_other(service: Service, api: httpx.Client, key: str) -> None:
    before = number(service, "/networks")
    headers = [(b"Idempotency-Key", key.encode())]
    answers = [api.post("/api/v1/networks", json=NETWORK, headers=headers) for _ in range(2)]
    if answers[0].status_code == 201:
        assert answers[1].headers["location"] == answers[0].headers["location"]
    assert {answer.status_code for answer in answers} <= {201, 400, 422, 431}
    assert number(service, "/networks") <= before + 1

"""`Idempotency-Key`: one thing is made for one key, however often and however fast it is asked for."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.service import Service, accepted
from tests.stored import counts

Json = dict[str, Any]
CSV = b"x,y\n" + b"".join(f"{index}.5,{index % 2}\n".encode() for index in range(30))


def post(api: httpx.Client, what: str, key: str, body: object) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    if isinstance(body, bytes):
        return api.post(f"/api/v1/{what}", files={"file": ("x.csv", body)}, headers=headers)
    return api.post(f"/api/v1/{what}", json=body, headers=headers)


def bodies(penguins: Json) -> dict[str, tuple[object, object]]:
    """For each thing that is made: a body, and another."""
    network = {"layers": [{"type": "dense"}]}
    run = {"dataset": penguins["id"], "network": network, "model": "once", "training": {"epochs": 1}}
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(6)]
    return {
        "datasets": (CSV, CSV + b"99.5,1\n"),
        "networks": (network, {"layers": [{"type": "dense", "use_bias": False}]}),
        "runs": (run, {**run, "model": "twice"}),
        "rows": ({"rows": rows}, {"rows": rows[:-1]}),
    }


@pytest.mark.parametrize("kind", ["datasets", "rows", "networks", "runs"])
def test_a_key_gives_the_first_answer_again_and_refuses_another_body(
    service: Service, api: httpx.Client, penguins: Json, kind: str
) -> None:
    what, key = "datasets" if kind == "rows" else kind, uuid.uuid4().hex
    body, other = bodies(penguins)[kind]
    first = post(api, what, key, body)
    assert first.is_success
    again = post(api, what, key, body)
    assert again.status_code == first.status_code
    assert again.headers["location"] == first.headers["location"]
    assert strict_json(again) == strict_json(first)
    expect_problem(post(api, what, key, other), 409, "idempotency_key_reused")
    assert strict_json(post(api, what, uuid.uuid4().hex, body))["id"] != strict_json(first)["id"]


@pytest.mark.parametrize("kind", ["datasets", "networks", "runs"])
def test_twenty_at_once_make_one(service: Service, penguins: Json, kind: str) -> None:
    key, (body, _) = uuid.uuid4().hex, bodies(penguins)[kind]

    def ask(_: int) -> Json:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            return accepted(post(client, kind, key, body))

    before = counts(service)
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(ask, range(20)))
    assert all(one == made[0] for one in made)
    after = counts(service)
    assert {table: after[table] - before[table] for table in (kind, "idempotency_keys")} == {
        kind: 1,
        "idempotency_keys": 1,
    }


def test_a_key_of_one_thing_is_not_a_key_of_another(api: httpx.Client, penguins: Json) -> None:
    key = uuid.uuid4().hex
    assert post(api, "networks", key, bodies(penguins)["networks"][0]).is_success
    expect_problem(post(api, "runs", key, bodies(penguins)["runs"][0]), 409, "idempotency_key_reused")


def test_a_refused_request_does_not_use_up_its_key(api: httpx.Client) -> None:
    key = uuid.uuid4().hex
    expect_problem(post(api, "networks", key, {"layers": []}), 422)
    assert post(api, "networks", key, {"layers": [{"type": "dense"}]}).is_success


def test_the_first_answer_stands_when_what_it_needed_is_gone(api: httpx.Client, penguins: Json) -> None:
    key, network = uuid.uuid4().hex, accepted(api.post("/api/v1/networks", json={"layers": [{"type": "dense"}]}))
    body = {"dataset": penguins["id"], "network": network["id"], "training": {"epochs": 1}}
    first = post(api, "runs", key, body)
    assert first.is_success
    assert api.delete(f"/api/v1/networks/{network['id']}").status_code == 204
    assert strict_json(post(api, "runs", key, body)) == strict_json(first)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_1_to_200_characters(api: httpx.Client, key: str) -> None:
    document = expect_problem(post(api, "networks", key, {"layers": [{"type": "dense"}]}), 422)
    assert document["errors"][0]["pointer"].lower() == "/idempotency-key"

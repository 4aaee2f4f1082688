"""Cancelling: a queued run at once, a running one within moments, an ended one never."""

import time
from typing import Any

import httpx

from tests.answers import expect_problem
from tests.service import Service, accepted
from tests.web.events import follow

Json = dict[str, Any]
LONG = {"epochs": 100_000, "seed": 1}


def test_a_running_run_stops_within_moments_and_the_worker_goes_on(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    run = service.submit(penguins["id"], table_network, model="interrupted", training=LONG)
    for event in follow(api, run["id"]):
        if event.kind == "epoch":
            break
    expect_problem(api.delete(f"/api/v1/runs/{run['id']}"), 409, "run_not_ended")
    begin = time.monotonic()
    accepted(api.post(f"/api/v1/runs/{run['id']}/cancel"))
    ended = service.ended(run["id"])
    assert time.monotonic() - begin < 15
    assert ended["status"] == "cancelled"
    assert ended["result"] is None
    expect_problem(api.post(f"/api/v1/runs/{run['id']}/cancel"), 409)
    expect_problem(api.get("/api/v1/models/interrupted"), 404)
    later = service.submit(penguins["id"], table_network, model="after", training={"epochs": 1})
    assert service.ended(later["id"])["status"] == "succeeded"
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204


def test_a_queued_run_is_cancelled_at_once_and_never_runs(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    first = service.submit(penguins["id"], table_network, model="first", training=LONG)
    queued = service.submit(penguins["id"], table_network, model="second", training=LONG)
    answer = accepted(api.post(f"/api/v1/runs/{queued['id']}/cancel"))
    assert (answer["status"], answer["started_at"], answer["attempt"]) == ("cancelled", None, 0)
    assert [event.kind for event in follow(api, queued["id"])] == ["status", "status", "end"]
    expect_problem(api.post(f"/api/v1/runs/{queued['id']}/cancel"), 409)
    accepted(api.post(f"/api/v1/runs/{first['id']}/cancel"))
    service.ended(first["id"])
    assert accepted(api.get(f"/api/v1/runs/{queued['id']}"))["status"] == "cancelled"


def test_an_ended_run_is_not_cancelled(api: httpx.Client, penguins_run: Json) -> None:
    expect_problem(api.post(f"/api/v1/runs/{penguins_run['id']}/cancel"), 409)
    assert accepted(api.get(f"/api/v1/runs/{penguins_run['id']}"))["status"] == "succeeded"
    expect_problem(api.post("/api/v1/runs/run_none/cancel"), 404, "run_not_found")

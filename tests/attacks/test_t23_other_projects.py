"""T23: ids of another project, read, listed, changed, deleted, predicted with and built on.

All as if they were not there: the same bytes of the same answer, and no slower.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.attacks.tenants import NETWORK, ROW, Tenant
from tests.keys import client, made
from tests.service import Service, accepted

Json = dict[str, Any]
ROUNDS = 120
READS = [
    "/api/v1/datasets/{dataset_id}",
    "/api/v1/datasets/{dataset_id}/rows",
    "/api/v1/networks/{network_id}",
    "/api/v1/runs/{run_id}",
    "/api/v1/runs/{run_id}/metrics",
    "/api/v1/runs/{run_id}/events",
    "/api/v1/runs/{run_id}/artifacts/{artifact}",
    "/api/v1/jobs/{job_id}",
    "/api/v1/jobs/{job_id}/result",
    "/api/v1/models/{name}",
    "/api/v1/models/{name}/versions/1",
]
CHANGES: list[tuple[str, str, Json | None]] = [
    ("DELETE", "/api/v1/datasets/{dataset_id}", None),
    ("DELETE", "/api/v1/networks/{network_id}", None),
    ("DELETE", "/api/v1/runs/{run_id}", None),
    ("POST", "/api/v1/runs/{run_id}/cancel", None),
    ("POST", "/api/v1/runs/{run_id}/resume", {"epochs": 9}),
    ("DELETE", "/api/v1/models/{name}/versions/1", None),
    ("DELETE", "/api/v1/models/{name}/aliases/serving", None),
    ("PUT", "/api/v1/models/{name}/aliases/serving", {"version": 1}),
    ("DELETE", "/api/v1/models/{name}", None),
    ("DELETE", "/api/v1/jobs/{job_id}", None),
    ("POST", "/api/v1/jobs/{job_id}/cancel", None),
    ("POST", "/api/v1/models/{name}/batch-predictions", {"dataset": "ds_unknown"}),
    ("POST", "/api/v1/models/{name}/evaluate", {"dataset": "ds_unknown"}),
    ("POST", "/api/v1/models/{name}/predict", ROW),
    ("POST", "/api/v1/models/{name}/versions/1/predict", ROW),
    ("POST", "/api/v1/models/{name}/aliases/serving/predict", ROW),
    ("POST", "/api/v1/runs/{run_id}/predict", ROW),
]
ASKED: list[tuple[str, str, Json | None]] = [*(("GET", path, None) for path in READS), *CHANGES]
each = pytest.mark.parametrize(("method", "path", "body"), ASKED, ids=[f"{one[0]} {one[1]}" for one in ASKED])


def absent(owner: Tenant) -> dict[str, str]:
    """Names of nothing, as long as the owner's."""
    ids = {name: f"{value[:4]}{'0' * (len(value) - 4)}" for name, value in owner.ids.items()}
    return {**ids, "artifact": owner.artifact}


def ask(who: httpx.Client, method: str, path: str, body: Json | None, ids: dict[str, str]) -> httpx.Response:
    # Else each request would have an id of its own.
    return who.request(method, path.format(**ids), json=body, headers={"X-Request-ID": "the-same"})


@each
def test_what_is_another_projects_is_as_if_it_were_not_there(
    ours: Tenant, theirs: Tenant, method: str, path: str, body: Json | None
) -> None:
    known = {**ours.ids, "artifact": ours.artifact}
    foreign = ask(theirs.client, method, path, body, known)
    unknown = ask(theirs.client, method, path, body, absent(ours))
    expect_problem(foreign, 404)
    assert foreign.content == unknown.content
    assert {*foreign.headers.items()} - {*unknown.headers.items()} <= {("date", foreign.headers.get("date", ""))}
    if method == "GET":
        assert ask(ours.client, method, path, body, known).status_code == 200


def test_lists_hold_what_is_ones_own_alone(ours: Tenant, theirs: Tenant) -> None:
    queries = ["", f"dataset={ours.ids['dataset_id']}", f"model={ours.ids['name']}", "tag=x", "status=succeeded"]
    for kind in ("datasets", "networks", "runs", "models", "jobs"):
        for query in queries if kind == "runs" else [""]:
            text = theirs.client.get(f"/api/v1/{kind}?limit=200&{query}").text
            assert not {thing for thing in ours.things() if thing in text}
            assert '"items"' in text
    page = accepted(ours.client.get("/api/v1/runs?limit=1"))
    if page["next"] is not None:
        stolen = theirs.client.get("/api/v1/runs", params={"cursor": page["next"]}).text
        assert not {thing for thing in ours.things() if thing in stolen}


def test_nothing_is_built_on_what_is_another_projects(ours: Tenant, theirs: Tenant) -> None:
    own = theirs.ids
    for path in ("/api/v1/runs/check", "/api/v1/runs"):
        for wanted in (
            {"dataset": ours.ids["dataset_id"], "network": NETWORK},
            {"dataset": own["dataset_id"], "network": ours.ids["network_id"]},
            {
                "dataset": own["dataset_id"],
                "network": NETWORK,
                "training": {"validation": {"dataset": ours.ids["dataset_id"]}},
            },
        ):
            expect_problem(theirs.client.post(path, json=wanted), (404, 422))


def test_nothing_is_judged_on_what_is_another_projects(ours: Tenant, theirs: Tenant) -> None:
    for ending, status in (("evaluate", 200), ("batch-predictions", 202)):
        path = f"/api/v1/models/{theirs.ids['name']}/{ending}"
        assert theirs.client.post(path, json={"dataset": theirs.ids["dataset_id"]}).status_code == status
        expect_problem(theirs.client.post(path, json={"dataset": ours.ids["dataset_id"]}), 404, "dataset_not_found")


def test_a_key_of_an_answer_given_once_is_of_its_project(ours: Tenant, theirs: Tenant) -> None:
    headers = {"Idempotency-Key": "the same in both"}
    made = [accepted(one.client.post("/api/v1/networks", json=NETWORK, headers=headers)) for one in (ours, theirs)]
    assert made[0]["id"] != made[1]["id"]
    expect_problem(theirs.client.get(f"/api/v1/networks/{made[0]['id']}"), 404)


def timed(ask_once: Callable[[], httpx.Response], times: list[float]) -> None:
    begin = time.perf_counter()
    assert ask_once().status_code == 404
    times.append(time.perf_counter() - begin)


@pytest.mark.parametrize("path", ["/api/v1/datasets/{dataset_id}", "/api/v1/runs/{run_id}", "/api/v1/models/{name}"])
def test_it_takes_as_long_as_what_is_not_there(
    ours: Tenant, theirs: Tenant, path: str, record_property: Callable[[str, object], None]
) -> None:
    foreign: list[float] = []
    unknown: list[float] = []
    # In turns, so that whatever else this machine does slows both.
    for _ in range(ROUNDS):
        timed(lambda: ask(theirs.client, "GET", path, None, ours.ids), foreign)
        timed(lambda: ask(theirs.client, "GET", path, None, absent(ours)), unknown)
    medians = statistics.median(foreign), statistics.median(unknown)
    record_property("milliseconds, of another project and of nobody", [1000 * one for one in medians])
    assert max(medians) < 2 * min(medians)


def test_a_key_that_is_revoked_stops_on_a_connection_where_it_was_known(fortress: Service, ours: Tenant) -> None:
    key = made(fortress, "predict", project="ours")
    path = f"/api/v1/models/{ours.ids['name']}/predict"
    with client(fortress, key["key"]) as one:
        for _ in range(5):
            accepted(one.post(path, json=ROW))
        fortress.client.delete(f"/api/v1/keys/{key['id']}").raise_for_status()
        for _ in range(5):
            expect_problem(one.post(path, json=ROW), 401)

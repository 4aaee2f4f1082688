"""T27: deleting a dataset in use, a version that is served, what is being trained, and one thing many times at once.

409 or 404, and never half: what is left on the disk and in the rows is looked at after every test.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.service import Service, accepted
from tests.stored import rows
from tests.worker.processes import until

Json = dict[str, Any]
NETWORK: Json = {"layers": [{"type": "dense"}]}
AT_ONCE = 12


def dataset(api: httpx.Client, shift: float = 0.5) -> str:
    content = [{"x": index + shift, "y": index % 2 == 0} for index in range(20)]
    return str(accepted(api.post("/api/v1/datasets", json={"target": "y", "rows": content}))["id"])


def trained(service: Service, data: str, model: str, epochs: int = 1) -> Json:
    run = service.ended(service.submit(data, NETWORK, model=model, training={"epochs": epochs, "seed": 1})["id"])
    assert run["status"] == "succeeded", run["error"]
    return run


def at_once(service: Service, asks: list[Callable[[httpx.Client], httpx.Response]]) -> list[httpx.Response]:
    """The answers to requests that leave at the same moment, each on a connection of its own."""
    gate = threading.Barrier(len(asks))

    def ask(call: Callable[[httpx.Client], httpx.Response]) -> httpx.Response:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            client.get("/healthz")
            gate.wait()
            return call(client)

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


def test_a_dataset_in_use_stays(service: Service, api: httpx.Client) -> None:
    data = dataset(api)
    run = trained(service, data, "in-use")
    expect_problem(api.delete(f"/api/v1/datasets/{data}"), 409, "dataset_in_use")
    assert api.get(f"/api/v1/datasets/{data}/rows").status_code == 200
    expect_problem(api.delete(f"/api/v1/runs/{run['id']}"), 409)
    assert api.delete("/api/v1/models/in-use/versions/1").status_code == 204
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{data}").status_code == 204


def test_what_is_being_trained_stays(service: Service, api: httpx.Client) -> None:
    data = dataset(api)
    run = service.submit(data, NETWORK, model="busy", training={"epochs": 100_000})["id"]
    for _ in range(3):
        expect_problem(api.delete(f"/api/v1/runs/{run}"), 409)
        expect_problem(api.delete(f"/api/v1/datasets/{data}"), 409, "dataset_in_use")
    assert api.post(f"/api/v1/runs/{run}/cancel").status_code == 202
    assert service.ended(run)["status"] == "cancelled"
    assert api.delete(f"/api/v1/runs/{run}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{data}").status_code == 204


def test_a_version_that_an_alias_names_stays(service: Service, api: httpx.Client) -> None:
    data = dataset(api)
    run = trained(service, data, "serving")
    accepted(api.put("/api/v1/models/serving/aliases/serving", json={"version": 1}))
    answers = at_once(service, [lambda client: client.delete("/api/v1/models/serving/versions/1")] * AT_ONCE)
    assert {answer.status_code for answer in answers} == {409}
    assert api.post("/api/v1/models/serving/predict", json={"instances": [{"x": 1}]}).status_code == 200
    assert api.delete("/api/v1/models/serving/aliases/serving").status_code == 204
    assert api.delete("/api/v1/models/serving/versions/1").status_code == 204
    expect_problem(api.post("/api/v1/models/serving/predict", json={"instances": [{"x": 1}]}), 404)
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{data}").status_code == 204


@pytest.mark.parametrize("kind", ["datasets", "networks", "runs", "versions", "models", "jobs"])
def test_of_many_deletes_at_once_one_does_it(service: Service, api: httpx.Client, kind: str) -> None:
    data = dataset(api)
    path, rest = f"/api/v1/datasets/{data}", []
    if kind == "networks":
        path, rest = f"/api/v1/networks/{accepted(api.post('/api/v1/networks', json=NETWORK))['id']}", [path]
    elif kind in ("models", "jobs"):
        run, model = f"/api/v1/runs/{trained(service, data, f'often-{kind}')['id']}", f"/api/v1/models/often-{kind}"
        made = accepted(api.post(f"{model}/batch-predictions", json={"dataset": data}))["id"]
        job = f"/api/v1/jobs/{made}"
        until(lambda: accepted(api.get(job))["status"] == "succeeded", 30)
        path, rest = (model, [job, run, path]) if kind == "models" else (job, [model, run, path])
    elif kind in ("runs", "versions"):
        run, version = (
            f"/api/v1/runs/{trained(service, data, f'often-{kind}')['id']}",
            f"/api/v1/models/often-{kind}/versions/1",
        )
        if kind == "runs":
            assert api.delete(version).status_code == 204
        path, rest = (run, [path]) if kind == "runs" else (version, [run, path])
    answers = at_once(service, [lambda client: client.delete(path)] * AT_ONCE)
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: AT_ONCE - 1}
    for left in rest:
        assert api.delete(left).status_code == 204
    assert rows(service, "SELECT count(*) FROM versions WHERE run_id NOT IN (SELECT id FROM runs)") == [(0,)]


@pytest.mark.parametrize("shift", range(6))
def test_a_dataset_that_is_deleted_while_a_run_is_submitted_is_there_for_it_or_gone_for_both(
    service: Service, api: httpx.Client, shift: int
) -> None:
    data = dataset(api, shift + 0.25)
    body = {"dataset": data, "network": NETWORK, "model": "raced", "training": {"epochs": 1}}
    submit = [lambda client: client.post("/api/v1/runs", json=body)] * 3
    deletes = [lambda client: client.delete(f"/api/v1/datasets/{data}")] * 3
    answers = at_once(service, [one for pair in zip(submit, deletes, strict=True) for one in pair])
    submitted = [answer for answer in answers[::2] if answer.status_code == 202]
    deleted = [answer for answer in answers[1::2] if answer.status_code == 204]
    assert bool(submitted) != bool(deleted)
    assert {answer.status_code for answer in answers} <= {202, 204, 404, 409}
    for answer in submitted:
        run = service.ended(answer.json()["id"])
        assert run["status"] == "succeeded"
        assert api.delete(f"/api/v1/models/raced/versions/{run['result']['version']}").status_code == 204
        assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{data}").status_code == (204 if submitted else 404)


def test_a_version_that_is_deleted_while_it_answers_answers_whole_or_not_at_all(
    service: Service, api: httpx.Client
) -> None:
    data = dataset(api)
    run = trained(service, data, "leaving")
    path, question = "/api/v1/models/leaving", {"instances": [{"x": 1}] * 50}
    expected = api.post(f"{path}/predict", json=question).content
    asks: list[Callable[[httpx.Client], httpx.Response]] = [
        lambda client: client.post(f"{path}/predict", json=question)
    ] * AT_ONCE
    answers = at_once(service, [*asks, lambda client: client.delete(f"{path}/versions/1")])
    assert answers[-1].status_code == 204
    for answer in answers[:-1]:
        assert answer.status_code == 404 or answer.content == expected
    expect_problem(api.post(f"{path}/predict", json=question), 404)
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{data}").status_code == 204

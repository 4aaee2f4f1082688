"""A run's event stream: complete, in order, resumable from every position, and always with an end."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers
from tests.service import EXAMPLES, Service, accepted
from tests.web.events import follow
from tests.web.predictions import penguin_rows

Json = dict[str, Any]


def test_a_stream_tells_the_whole_run_in_order_and_ends(service: Service, penguins: Json, table_network: Json) -> None:
    run = service.submit(penguins["id"], table_network, model="streamed", training={"epochs": 6, "seed": 1})
    events = list(follow(service.client, run["id"]))
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert [event.data["status"] for event in events if event.kind == "status"] == ["queued", "running", "succeeded"]
    assert [event.data["epoch"] for event in events if event.kind == "epoch"] == [1, 2, 3, 4, 5, 6]
    assert [event.kind for event in events].count("end") == 1
    assert events[-1].kind == "end"
    assert events[-1].data["status"] == "succeeded"
    assert (events[-1].data["model"], events[-1].data["version"]) == ("streamed", 1)


def test_the_epochs_of_the_stream_are_those_of_the_metrics(api: httpx.Client, penguins_run: Json) -> None:
    told = [event.data for event in follow(api, penguins_run["id"]) if event.kind == "epoch"]
    for epoch in told:
        epoch.pop("at")
    assert told == api.get(f"/api/v1/runs/{penguins_run['id']}/metrics").json()["epochs"]


def test_a_client_that_comes_back_misses_nothing_wherever_it_left(api: httpx.Client, penguins_run: Json) -> None:
    events = list(follow(api, penguins_run["id"]))
    for position in range(len(events)):
        assert list(follow(api, penguins_run["id"], str(position))) == events[position:]


def test_a_client_that_has_it_all_is_told_to_stop_asking(api: httpx.Client, penguins_run: Json) -> None:
    """204 is what ends a browser's EventSource, which would else ask again every second."""
    last = list(follow(api, penguins_run["id"]))[-1].id
    for position in (last, last + 1000):
        headers = {"Last-Event-ID": str(position)}
        answer = api.get(f"/api/v1/runs/{penguins_run['id']}/events", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")


def test_a_model_answers_as_soon_as_its_stream_says_succeeded(
    service: Service, penguins: Json, table_network: Json
) -> None:
    for version in (1, 2, 3):
        run = service.submit(penguins["id"], table_network, model="prompt", training={"epochs": 1, "seed": version})
        for event in follow(service.client, run["id"]):
            if event.data.get("status") == "succeeded":
                answer = service.client.post("/api/v1/models/prompt/predict", json={"instances": penguin_rows()[:1]})
                assert accepted(answer)["version"] == version, event.kind


def test_events_come_while_the_run_runs(service: Service, penguins: Json, table_network: Json) -> None:
    run = service.submit(penguins["id"], table_network, model="live", training={"epochs": 100_000, "seed": 1})
    seen = []
    for event in follow(service.client, run["id"]):
        seen.append(event)
        if event.kind == "epoch" and event.data["epoch"] == 3:
            assert service.client.get(f"/api/v1/runs/{run['id']}").json()["status"] == "running"
            assert service.client.post(f"/api/v1/runs/{run['id']}/cancel").status_code == 202
    assert seen[-1].kind == "end"
    assert seen[-1].data["status"] == "cancelled"
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))


@pytest.mark.parametrize("last", ["-1", "1.5", "nan", "one", "9" * 40, "1e3"])
def test_a_position_that_is_none_is_refused(api: httpx.Client, penguins_run: Json, last: str) -> None:
    answer = api.get(f"/api/v1/runs/{penguins_run['id']}/events", headers={"Last-Event-ID": last})
    assert pointers(expect_problem(answer, 422, "event_id_invalid")) == ["/Last-Event-ID"]


def test_an_events_stream_of_no_run_is_a_problem(api: httpx.Client) -> None:
    expect_problem(api.get("/api/v1/runs/run_none/events"), 404, "run_not_found")


def test_the_stream_of_a_run_goes_on_after_the_service_was_started_anew(tmp_path: Path) -> None:
    with Service(tmp_path) as other:
        rows = [{"x": i + 0.5, "y": "a" if i % 2 else "b"} for i in range(20)]
        dataset = other.client.post("/api/v1/datasets", json={"rows": rows}).json()
        network = {"layers": [{"type": "dense"}]}
        run = other.ended(other.submit(dataset["id"], network, training={"epochs": 2, "seed": 1})["id"])
        events = list(follow(other.client, run["id"]))
        other.stop()
        other.start()
        assert list(follow(other.client, run["id"], "2")) == events[2:]


def test_a_client_that_comes_back_after_the_service_was_killed_misses_nothing_and_gets_nothing_twice(
    tmp_path: Path, table_network: Json
) -> None:
    with Service(tmp_path, lease_seconds="2", checkpoint_seconds="0.2") as other:
        dataset = other.upload(EXAMPLES / "penguins.csv", target="species")
        run = other.submit(dataset["id"], table_network, training={"epochs": 60, "batch_size": 2, "seed": 1})
        seen = []
        for event in follow(other.client, run["id"]):
            seen.append(event)
            if event.kind == "epoch":
                break
        other.kill()
        other.start()
        seen += list(follow(other.client, run["id"], str(seen[-1].id)))
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert [event.data["epoch"] for event in seen if event.kind == "epoch"] == list(range(1, 61))
    assert [event.kind for event in seen].count("end") == 1
    assert seen[-1].data["status"] == "succeeded"

"""What is refused or told before a run is recorded: batches, validation, what is not there."""

from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers
from tests.service import Service, accepted
from tests.web.tables import inline

Json = dict[str, Any]


def test_an_orphan_row_joins_the_batch_before_it(service: Service, api: httpx.Client, table_network: Json) -> None:
    body = {
        "dataset": inline(api, 81),
        "network": table_network,
        "training": {"batch_size": 8, "epochs": 2, "validation": {"fraction": 0.2}},
    }
    told = accepted(api.post("/api/v1/runs/check", json=body))
    assert told["rows"]["training"] % 8 == 1, "else this test shows nothing"
    assert told["last_batch"] == {"rows": 9, "handling": "joined"}
    assert any("orphan" in note for note in told["notes"])
    assert service.ended(accepted(api.post("/api/v1/runs", json=body))["id"])["status"] == "succeeded"


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/runs/check"])
def test_a_batch_norm_on_batches_of_one_row_is_refused(
    api: httpx.Client, penguins: Json, table_network: Json, path: str
) -> None:
    body = {"dataset": penguins["id"], "network": table_network, "training": {"batch_size": 1}}
    document = expect_problem(api.post(path, json=body), 422, "batch_size_too_small")
    assert pointers(document) == ["/training/batch_size"]


def test_a_batch_size_past_the_rows_is_cut_and_said_to_be(api: httpx.Client, table_network: Json) -> None:
    body = {"dataset": inline(api, 20), "network": table_network, "training": {"batch_size": 1000}}
    told = accepted(api.post("/api/v1/runs/check", json=body))
    assert told["steps_per_epoch"] == 1
    assert told["batch_size"] == told["rows"]["training"]
    assert any("1000" in note for note in told["notes"])


def test_a_validation_that_does_not_fit_is_refused_where_it_stands(
    api: httpx.Client, penguins: Json, pictures: Json
) -> None:
    spec = {"layers": [{"type": "dense"}]}
    for validation in (
        {"dataset": "ds_none"},
        {"dataset": pictures["id"]},
        {"dataset": penguins["id"], "fraction": 0.1},
    ):
        body = {"dataset": penguins["id"], "network": spec, "training": {"validation": validation}}
        document = expect_problem(api.post("/api/v1/runs/check", json=body), 422)
        assert pointers(document)[0].startswith("/training/validation")


def test_a_run_of_what_is_not_there_is_refused(api: httpx.Client, penguins: Json, table_network: Json) -> None:
    for path in ("runs", "runs/check"):
        unknown = api.post(f"/api/v1/{path}", json={"dataset": "ds_none", "network": table_network})
        expect_problem(unknown, 404, "dataset_not_found")
        unknown = api.post(f"/api/v1/{path}", json={"dataset": penguins["id"], "network": "net_none"})
        expect_problem(unknown, 404, "network_not_found")


def test_a_batch_that_no_memory_holds_is_refused(api: httpx.Client, penguins: Json) -> None:
    layers = [{"type": "dense", "units": 65_536}, {"type": "dense", "units": 500}, {"type": "dense"}]
    rows = [{"x": index + index % 3 / 2, "y": index % 2} for index in range(60_000)]
    dataset = accepted(api.post("/api/v1/datasets", json={"name": "wide", "rows": rows}))
    body = {"dataset": dataset["id"], "network": {"layers": layers}, "training": {"batch_size": 1_000_000}}
    document = expect_problem(api.post("/api/v1/runs/check", json=body), 422, "memory_too_large")
    assert pointers(document) == ["/network", "/training/batch_size"]
    body["training"] = {"batch_size": 32}
    assert accepted(api.post("/api/v1/runs/check", json=body))["memory_bytes"] < 2 << 30

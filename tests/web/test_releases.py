"""An alias that moves is told of what it moves to; a version is judged on any dataset that fits; a model goes whole."""

from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers, strict_json
from tests.service import EXAMPLES, Service, accepted
from tests.web.predictions import penguin_rows

Json = dict[str, Any]
ROWS = {"instances": penguin_rows()[:3]}
GOOD, POOR, OTHER = 1, 2, 3


@pytest.fixture(scope="module")
def released(service: Service, penguins: Json, table_network: Json) -> str:
    """A model of three versions: a good one, a poor one of the same split, and one of another split."""
    name = "released"
    for epochs, seed in ((12, 7), (1, 7), (12, 8)):
        training = {"epochs": epochs, "seed": seed, "optimizer": {"name": "adam", "learning_rate": 0.002}}
        run = service.ended(service.submit(penguins["id"], table_network, model=name, training=training)["id"])
        assert run["status"] == "succeeded", run["error"]
    return name


def run_of(api: httpx.Client, name: str, number: int) -> Json:
    version = accepted(api.get(f"/api/v1/models/{name}/versions/{number}"))
    return accepted(api.get(f"/api/v1/runs/{version['run']}"))


def put(api: httpx.Client, name: str, alias: str, number: int, **more: bool) -> httpx.Response:
    return api.put(f"/api/v1/models/{name}/aliases/{alias}", json={"version": number, **more})


def test_an_alias_that_moves_is_compared_on_what_both_held_out_and_moves_back_in_one_call(
    api: httpx.Client, released: str, penguins: Json
) -> None:
    first = accepted(put(api, released, "live", GOOD))
    assert (first["previous"], first["comparison"], first["reason"]["code"]) == (None, None, "first_time")
    moved = strict_json(put(api, released, "live", POOR))
    assert (moved["aliases"]["live"], moved["previous"], moved["reason"]) == (POOR, GOOD, None)
    found = moved["comparison"]
    good, poor = (run_of(api, released, number)["result"]["evaluation"] for number in (GOOD, POOR))
    assert (found["from"], found["to"], found["verdict"]) == (GOOD, POOR, "worse")
    assert found["datasets"] == {penguins["id"]: found["rows"]}
    assert found["rows"] == good["rows"]["validation"]
    for name in ("accuracy", "log_loss", "roc_auc"):
        pair = found["metrics"][name]
        assert (pair["from"], pair["to"]) == (good["validation"][name], poor["validation"][name])
        assert pair["difference"] == pytest.approx(pair["to"] - pair["from"])
    assert found["test"]["name"] == "exact McNemar test"
    assert found["test"]["p_value"] < 0.05
    assert 0 < found["agreement"] < 1
    back = accepted(put(api, released, "live", moved["previous"]))
    assert (back["aliases"]["live"], back["comparison"]["verdict"]) == (GOOD, "better")
    again = accepted(put(api, released, "live", GOOD))
    assert (again["comparison"], again["reason"]["code"]) == (None, "same_version")


def test_a_version_that_is_worse_is_refused_where_that_is_asked_for(api: httpx.Client, released: str) -> None:
    accepted(put(api, released, "careful", GOOD, only_if_not_worse=True))
    refused = expect_problem(put(api, released, "careful", POOR, only_if_not_worse=True), 409, "comparison_worse")
    assert "version 2 is worse than version 1" in refused["detail"]
    assert accepted(api.get(f"/api/v1/models/{released}"))["aliases"]["careful"] == GOOD
    assert accepted(api.post(f"/api/v1/models/{released}/aliases/careful/predict", json=ROWS))["version"] == GOOD
    accepted(put(api, released, "careful", OTHER, only_if_not_worse=True))
    accepted(put(api, released, "careful", GOOD, only_if_not_worse=True))


def test_versions_of_different_splits_are_compared_on_what_both_held_out(api: httpx.Client, released: str) -> None:
    accepted(put(api, released, "split", GOOD))
    found = accepted(put(api, released, "split", OTHER))["comparison"]
    assert 0 < found["rows"] < 40
    assert found["verdict"] == "no_difference_shown"


def test_versions_with_different_targets_are_not_compared(
    service: Service, api: httpx.Client, table_network: Json
) -> None:
    rows = [{"x": index + 0.5, "y": index % 2 == 0, "z": float(index % 5)} for index in range(30)]
    for target in ("y", "z"):
        body = {"target": target, "rows": rows, "columns": {"y" if target == "z" else "z": {"role": "ignore"}}}
        data = accepted(api.post("/api/v1/datasets", json=body))["id"]
        network = {"layers": [{"type": "dense"}]}
        run = service.submit(data, network, model="two-targets", training={"epochs": 1, "seed": 1})
        assert service.ended(run["id"])["status"] == "succeeded"
    accepted(put(api, "two-targets", "live", 1))
    moved = accepted(put(api, "two-targets", "live", 2))
    assert (moved["comparison"], moved["reason"]["code"]) == (None, "different_targets")


def test_numbers_are_compared_by_a_sign_test(service: Service, api: httpx.Client) -> None:
    rows = [{"x": index / 10, "y": index / 5 + (index % 3) / 10} for index in range(200)]
    data = accepted(api.post("/api/v1/datasets", json={"target": "y", "rows": rows, "task": "regression"}))["id"]
    for epochs in (1, 30):
        training = {"epochs": epochs, "seed": 1, "optimizer": {"name": "adam", "learning_rate": 0.05}}
        run = service.submit(data, {"layers": [{"type": "dense"}]}, model="lines", training=training)
        assert service.ended(run["id"])["status"] == "succeeded"
    accepted(put(api, "lines", "live", 1))
    found = accepted(put(api, "lines", "live", 2))["comparison"]
    assert (found["verdict"], found["test"]["name"]) == ("better", "exact sign test on absolute errors")
    assert found["agreement"] is None
    assert found["mean_absolute_difference"] > 0
    assert set(found["metrics"]) == {"mean_absolute_error", "root_mean_squared_error", "r2"}
    evaluated = accepted(api.post("/api/v1/models/lines/evaluate", json={"dataset": data}))["evaluation"]
    assert set(evaluated) == {"loss", "mean_absolute_error", "root_mean_squared_error", "r2"}


def evaluate(api: httpx.Client, dataset: str, name: str = "released", **more: object) -> httpx.Response:
    return api.post(f"/api/v1/models/{name}/evaluate", json={"dataset": dataset, **more})


def test_an_evaluation_on_the_runs_own_dataset_is_its_two_parts_together(
    api: httpx.Client, released: str, penguins: Json
) -> None:
    found = strict_json(evaluate(api, penguins["id"], version=GOOD))
    run = run_of(api, released, GOOD)
    assert (found["model"], found["version"], found["run"]) == (released, GOOD, run["id"])
    assert (found["dataset"], found["rows"]) == (penguins["id"], penguins["rows"])
    parts = [run["result"]["evaluation"][part] for part in ("train_eval", "validation")]
    counts = [run["result"]["evaluation"]["rows"][part] for part in ("train", "validation")]
    for name in ("accuracy", "log_loss", "loss"):
        mean = sum(part[name] * count for part, count in zip(parts, counts, strict=True)) / sum(counts)
        assert found["evaluation"][name] == pytest.approx(mean)
    matrices = [part["confusion_matrix"] for part in parts]
    summed = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
    assert found["evaluation"]["confusion_matrix"] == summed
    assert set(found["evaluation"]) == set(parts[0])


def test_an_evaluation_is_of_what_is_named(api: httpx.Client, released: str, penguins: Json) -> None:
    accepted(put(api, released, "named", POOR))
    assert accepted(evaluate(api, penguins["id"]))["version"] == OTHER
    assert accepted(evaluate(api, penguins["id"], alias="named"))["version"] == POOR
    expect_problem(evaluate(api, penguins["id"], alias="named", version=1), 422, "version_and_alias")
    expect_problem(evaluate(api, penguins["id"], version=9), 404, "version_not_found")
    expect_problem(evaluate(api, penguins["id"], alias="nobody"), 404, "alias_not_found")
    expect_problem(evaluate(api, penguins["id"], name="nobody"), 404, "model_not_found")
    expect_problem(evaluate(api, "ds_unknown"), 404, "dataset_not_found")
    expect_problem(evaluate(api, penguins["id"], version=None), 422)


def test_a_dataset_that_does_not_fit_is_refused_by_what_is_wrong(
    service: Service, api: httpx.Client, released: str, pictures: Json
) -> None:
    text = (EXAMPLES / "penguins.csv").read_text()

    def stored(content: str, **fields: str) -> str:
        answer = api.post("/api/v1/datasets", files={"file": ("p.csv", content.encode())}, data=fields)
        return str(accepted(answer)["id"])

    unknown = expect_problem(evaluate(api, stored(text.replace("Gentoo", "Emperor"), target="species")), 422)
    assert (unknown["code"], unknown["errors"][0]["received"]) == ("class_unknown", "Emperor")
    expect_problem(evaluate(api, stored(text, target="island")), 422, "target_mismatch")
    expect_problem(evaluate(api, stored(text, target="body_mass_g")), 422, "target_mismatch")
    lacking = expect_problem(evaluate(api, stored(text.replace("bill_depth_mm", "depth"), target="species")), 422)
    assert (lacking["code"], pointers(lacking)) == ("columns_mismatch", ["/columns/bill_depth_mm"])
    expect_problem(evaluate(api, pictures["id"]), 422)


def test_pictures_are_judged_as_they_are_answered(api: httpx.Client, pictures: Json, pictures_run: Json) -> None:
    found = accepted(evaluate(api, pictures["id"], name="pictures"))
    parts = pictures_run["result"]["evaluation"]
    mean = sum(
        parts[part]["log_loss"] * parts["rows"][part.removesuffix("_eval")] for part in ("train_eval", "validation")
    )
    assert found["evaluation"]["log_loss"] == pytest.approx(mean / found["rows"], rel=1e-5)


def test_a_model_is_deleted_whole_and_its_numbers_are_not_given_again(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    def trained() -> int:
        run = service.submit(penguins["id"], table_network, model="whole", training={"epochs": 1, "seed": 1})
        return int(service.ended(run["id"])["result"]["version"])

    assert [trained(), trained()] == [1, 2]
    accepted(put(api, "whole", "live", 1))
    expect_problem(api.delete("/api/v1/models/whole"), 409, "model_in_use")
    run = run_of(api, "whole", 1)["id"]
    assert api.delete("/api/v1/models/whole/aliases/live").status_code == 204
    assert accepted(api.post("/api/v1/models/whole/predict", json=ROWS))["version"] == 2
    assert api.delete("/api/v1/models/whole").status_code == 204
    for answer in (
        api.get("/api/v1/models/whole"),
        api.delete("/api/v1/models/whole"),
        api.post("/api/v1/models/whole/predict", json=ROWS),
        put(api, "whole", "live", 1),
    ):
        expect_problem(answer, 404, "model_not_found")
    names = {model["name"] for model in accepted(api.get("/api/v1/models?limit=200"))["items"]}
    assert "whole" not in names
    assert api.post(f"/api/v1/runs/{run}/predict", json=ROWS).status_code == 200
    assert trained() == 3
    assert accepted(api.post("/api/v1/models/whole/predict", json=ROWS))["version"] == 3

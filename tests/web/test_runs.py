"""Submitting runs: checked before anything is recorded, resolved, trained, and told as they ended."""

import hashlib
from typing import Any

import httpx

from tests.answers import expect_problem, strict_json
from tests.service import EXAMPLES, Service, accepted
from tests.web.tables import inline

Json = dict[str, Any]


def test_a_submitted_run_has_a_place_and_everything_resolved(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    body = {"dataset": penguins["id"], "network": table_network, "training": {"epochs": 1}, "tags": ["b", "a", "b"]}
    answer = api.post("/api/v1/runs", json=body)
    assert answer.status_code == 202
    run = strict_json(answer)
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert run["status"] in ("queued", "running")
    assert run["dataset"] == penguins["id"]
    assert run["network"]["input_shape"] == [15]
    assert run["network"]["layers"][-2]["units"] == 3
    assert run["network"]["layers"][-1] == {"type": "activation", "function": "softmax"}
    assert run["model"] == "penguins"
    assert run["tags"] == ["a", "b"]
    assert isinstance(run["training"]["seed"], int)
    assert run["training"]["optimizer"] == {"name": "adam", "learning_rate": 0.001}
    assert run["training"]["validation"] == {"fraction": 0.2}
    assert run["training"]["loss"] == "cross_entropy"
    ended = service.ended(run["id"])
    assert ended["status"] == "succeeded"
    assert ended["training"] == run["training"]
    assert ended["created_at"] <= ended["started_at"] <= ended["finished_at"]
    assert ended["progress"]["fraction"] == 1


def test_a_check_tells_what_the_run_then_does_and_stores_nothing(
    service: Service, api: httpx.Client, penguins: Json, penguins_run: Json, table_network: Json
) -> None:
    before = api.get("/api/v1/runs?limit=200").json()
    told = accepted(api.post("/api/v1/runs/check", json={"dataset": penguins["id"], "network": table_network}))
    assert api.get("/api/v1/runs?limit=200").json() == before
    assert told["rows"] == {"training": 275, "validation": 69}
    assert (told["steps_per_epoch"], told["batch_size"]) == (9, 32)
    assert told["last_batch"] == {"rows": 19, "handling": "smaller"}
    assert sum(line["parameters"] for line in told["summary"]) == told["parameters"]["total"]
    evaluation = penguins_run["result"]["evaluation"]
    assert evaluation["rows"] == {"train": told["rows"]["training"], "validation": told["rows"]["validation"]}


def test_the_metrics_are_the_same_in_json_and_in_csv(api: httpx.Client, penguins_run: Json) -> None:
    path = f"/api/v1/runs/{penguins_run['id']}/metrics"
    epochs = strict_json(api.get(path))["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    for epoch in epochs:
        for part in ("train", "train_eval", "validation"):
            assert set(epoch[part]) == {"loss", "accuracy"}
    answer = api.get(path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    header, *lines = [line.split(",") for line in answer.text.splitlines()]
    for epoch, line in zip(epochs, lines, strict=True):
        row = dict(zip(header, map(float, line), strict=True))
        assert row["validation_loss"] == epoch["validation"]["loss"]
        assert row["train_eval_accuracy"] == epoch["train_eval"]["accuracy"]
        assert row["learning_rate"] == epoch["learning_rate"]


def test_every_artifact_is_the_bytes_of_its_digest(api: httpx.Client, penguins_run: Json) -> None:
    artifacts = penguins_run["result"]["artifacts"]
    assert {"weights.safetensors", "preprocessing.json", "network.json", "frozen.onnx"} <= {
        artifact["name"] for artifact in artifacts
    }
    for artifact in artifacts:
        answer = api.get(artifact["url"])
        assert answer.status_code == 200
        assert len(answer.content) == artifact["bytes"] == int(answer.headers["content-length"])
        assert hashlib.sha256(answer.content).hexdigest() == artifact["sha256"]
        assert answer.headers["etag"] == f'"{artifact["sha256"]}"'
        assert answer.headers["content-disposition"] == f'attachment; filename="{artifact["name"]}"'
        assert penguins_run["id"].encode() not in answer.content or artifact["name"] != "weights.safetensors"
    expect_problem(api.get(f"/api/v1/runs/{penguins_run['id']}/artifacts/secret.txt"), 404, "artifact_not_found")


def test_equal_seeds_give_equal_weights_and_other_seeds_others(
    service: Service, penguins: Json, penguins_run: Json, table_network: Json
) -> None:
    def weights(seed: int) -> bytes:
        queued = service.submit(penguins["id"], table_network, model="twin", training={"epochs": 4, "seed": seed})
        run = service.ended(queued["id"])
        return service.client.get(f"/api/v1/runs/{run['id']}/artifacts/weights.safetensors").content

    first = service.client.get(f"/api/v1/runs/{penguins_run['id']}/artifacts/weights.safetensors").content
    assert weights(7) == first
    assert weights(8) != first


def test_a_run_that_diverges_fails_with_its_reason_and_makes_no_model(
    service: Service, api: httpx.Client, penguins: Json
) -> None:
    training = {"epochs": 20, "seed": 1, "optimizer": {"name": "sgd", "learning_rate": 1e30}}
    spec = {"layers": [{"type": "dense", "units": 8, "activation": "relu"}, {"type": "dense"}]}
    run = service.ended(service.submit(penguins["id"], spec, model="explosion", training=training)["id"])
    assert run["status"] == "failed"
    assert run["error"]["code"] == "diverged"
    assert "learning rate" in run["error"]["message"]
    assert run["result"] is None
    strict_json(api.get(f"/api/v1/runs/{run['id']}"))
    strict_json(api.get(f"/api/v1/runs/{run['id']}/metrics"))
    events = api.get(f"/api/v1/runs/{run['id']}/events").text
    assert "NaN" not in events
    assert "Infinity" not in events
    assert events.rstrip().rsplit("\n\n", 1)[-1].split("\n")[1] == "event: end"
    expect_problem(api.get("/api/v1/models/explosion"), 404, "model_not_found")
    rows = {"instances": [{"year": 2007}]}
    expect_problem(api.post(f"/api/v1/runs/{run['id']}/predict", json=rows), 404, "run_without_model")


def test_another_dataset_may_be_the_validation(service: Service, api: httpx.Client) -> None:
    train, held = inline(api, 50), inline(api, 17)
    spec = {"layers": [{"type": "dense"}]}
    training = {"epochs": 1, "validation": {"dataset": held}}
    run = service.ended(service.submit(train, spec, model="apart", training=training)["id"])
    assert run["status"] == "succeeded"
    assert run["result"]["evaluation"]["rows"] == {"train": 50, "validation": 17}
    expect_problem(api.delete(f"/api/v1/datasets/{held}"), 409, "dataset_in_use")


def test_a_stored_network_trains_and_may_go_while_its_run_stays(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    stored = accepted(api.post("/api/v1/networks", json=table_network))
    run = service.submit(penguins["id"], stored["id"], model="stored", training={"epochs": 1})
    assert run["network"]["id"] == stored["id"]
    assert api.delete(f"/api/v1/networks/{stored['id']}").status_code == 204
    expect_problem(api.get(f"/api/v1/networks/{stored['id']}"), 404, "network_not_found")
    assert service.ended(run["id"])["status"] == "succeeded"


def test_early_stopping_ends_a_run_before_its_last_epoch(service: Service, penguins: Json, table_network: Json) -> None:
    training = {
        "epochs": 2000,
        "seed": 5,
        "optimizer": {"name": "adam", "learning_rate": 0.05},
        "early_stopping": {"patience": 2, "restore_best": True},
    }
    run = service.ended(service.submit(penguins["id"], table_network, model="stopped", training=training)["id"])
    assert run["status"] == "succeeded"
    assert run["progress"]["epoch"] < 2000
    assert run["metrics"]["best"]["epoch"] == run["metrics"]["last"]["epoch"] - 2


def test_a_regression_tells_its_errors_in_the_targets_own_units(service: Service) -> None:
    columns = '{"species": {"role": "ignore"}}'
    dataset = service.upload(EXAMPLES / "penguins.csv", target="body_mass_g", columns=columns)
    assert (dataset["task"], dataset["target"]["minimum"]) == ("regression", 2700)
    training = {"epochs": 40, "seed": 2, "optimizer": {"name": "adam", "learning_rate": 0.01}}
    spec = {"layers": [{"type": "dense", "units": 16, "activation": "relu"}, {"type": "dense"}]}
    run = service.ended(service.submit(dataset["id"], spec, model="mass", training=training)["id"])
    found = run["result"]["evaluation"]["validation"]
    assert 100 < found["mean_absolute_error"] < 600, "grams"
    assert found["r2"] > 0.6
    last = run["metrics"]["last"]["validation"]
    assert 100 < last["mean_absolute_error"] < 600

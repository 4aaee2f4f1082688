"""T14: a learning rate of 1e30. The run ends as failed with the code `diverged`; nothing that is no number is told,
stored as one, or served."""

import csv
import io
import math
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.service import Service
from tests.stored import rows
from tests.web.events import follow

Json = dict[str, Any]
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")


@pytest.fixture(scope="module", params=OPTIMIZERS)
def diverged(request: pytest.FixtureRequest, service: Service, penguins: Json) -> Json:
    network = {"layers": [{"type": "dense", "units": 8, "activation": "relu"}, {"type": "dense"}]}
    optimizer = {"name": request.param, "learning_rate": 1e30}
    training = {"epochs": 30, "seed": 1, "optimizer": optimizer}
    queued = service.submit(penguins["id"], network, model=f"diverged-{request.param}", training=training)
    return service.ended(queued["id"])


def test_it_ends_as_failed_and_says_why(diverged: Json) -> None:
    assert (diverged["status"], diverged["error"]["code"]) == ("failed", "diverged")
    assert diverged["result"] is None


def test_what_is_told_of_it_is_json_without_a_nan(api: httpx.Client, diverged: Json) -> None:
    path = f"/api/v1/runs/{diverged['id']}"
    found = strict_json(api.get(path))
    assert found["metrics"] is None or "NaN" not in str(found["metrics"])
    epochs = strict_json(api.get(f"{path}/metrics"))["epochs"]
    assert isinstance(epochs, list)
    table = list(csv.reader(io.StringIO(api.get(f"{path}/metrics", headers={"Accept": "text/csv"}).text)))
    assert len(table) == len(epochs) + 1
    for cell in (cell for row in table[1:] for cell in row if cell not in ("", "true", "false")):
        assert math.isfinite(float(cell)), cell
    events = list(follow(api, diverged["id"]))
    assert events[-1].kind == "end"


def test_no_model_is_made_of_it(service: Service, api: httpx.Client, diverged: Json) -> None:
    rowed = rows(service, f"SELECT count(*) FROM versions WHERE run_id = '{diverged['id']}'")
    assert rowed == [(0,)]
    body = {"instances": [{"year": 2007}]}
    expect_problem(api.post(f"/api/v1/runs/{diverged['id']}/predict", json=body), 404)
    for artifact in ("weights.safetensors", "model.onnx", "frozen.onnx"):
        expect_problem(api.get(f"/api/v1/runs/{diverged['id']}/artifacts/{artifact}"), 404)

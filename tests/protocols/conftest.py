"""Models of each kind in the shared service, asked by clients of other servers."""

import random

import pytest

from tests.conftest import Json
from tests.protocols.asking import NUMBERS, PRICES
from tests.service import Service

LAYERS: Json = {
    "layers": [
        {"type": "dense", "units": 8},
        {"type": "batch_normalization"},
        {"type": "dropout", "rate": 0.2},
        {"type": "dense"},
    ]
}


def _made(service: Service, model: str, rows: list[Json], target: str) -> Json:
    dataset = service.client.post("/api/v1/datasets", json={"name": model, "target": target, "rows": rows})
    assert dataset.status_code == 201, dataset.text
    run = service.submit(dataset.json()["id"], LAYERS, model=model, training={"epochs": 2, "seed": 3})
    ended = service.ended(run["id"])
    assert ended["status"] == "succeeded", ended["error"]
    return ended


@pytest.fixture(scope="session")
def numbers_run(service: Service) -> Json:
    """A model of a table of numbers: three columns, two classes; the first column misses a value in training."""
    chance = random.Random(5)
    rows: list[Json] = [
        {"a": chance.gauss(3, 2), "b": chance.gauss(0, 1), "c": chance.uniform(-9, 9)} for _ in range(40)
    ]
    rows = [{**row, "kind": "high" if row["a"] + row["c"] > 3 else "low"} for row in rows]
    rows[0]["a"] = None
    return _made(service, NUMBERS, rows, "kind")


@pytest.fixture(scope="session")
def prices_run(service: Service) -> Json:
    """A model that answers with a number, of a column of numbers and one of truths."""
    chance = random.Random(6)
    rows: list[Json] = [{"size": chance.uniform(20, 90), "new": index % 2 == 0} for index in range(30)]
    return _made(service, PRICES, [{**row, "price": row["size"] * 2 + 10 * row["new"]} for row in rows], "price")

"""T12: labels that are formulas. A CSV answer opened in a spreadsheet runs nothing: such cells are made texts."""

import csv
import io
from typing import Any

import httpx
import pytest

from tests.answers import strict_json
from tests.service import Service, accepted

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", "\n=1", "＝1", "＠1")


@pytest.fixture(scope="module")
def run(service: Service, api: httpx.Client) -> dict[str, Any]:
    """A run whose classes are formulas."""
    rows = [{"x": index + 0.5, "y": FORMULAS[index % len(FORMULAS)]} for index in range(100)]
    dataset = accepted(api.post("/api/v1/datasets", json={"target": "y", "rows": rows}))
    network = {"layers": [{"type": "dense"}]}
    ended = service.ended(service.submit(dataset["id"], network, model="formulas", training={"epochs": 2})["id"])
    assert ended["status"] == "succeeded", ended["error"]
    return ended


def test_labels_that_are_formulas_are_made_texts(api: httpx.Client, run: dict[str, Any]) -> None:
    body = {"instances": [{"x": index + 0.5} for index in range(100)]}
    path = "/api/v1/models/formulas/predict"
    answer = api.post(path, json=body, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 101
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n", "＝", "＠")), cell
            assert not cell.startswith("-") or float(cell) <= 0
    told = strict_json(api.post(path, json=body))["predictions"]
    assert {prediction["label"] for prediction in told} <= {label.strip() for label in FORMULAS} | set(FORMULAS)
    for row, prediction in zip(rows[1:], told, strict=True):
        assert row[0].removeprefix("'") == prediction["label"]
        assert row[0].startswith("'")
        assert float(row[1]) == prediction["probability"], "numbers are untouched"


def test_metrics_as_csv_hold_no_formula(api: httpx.Client, run: dict[str, Any]) -> None:
    text = api.get(f"/api/v1/runs/{run['id']}/metrics", headers={"Accept": "text/csv"}).text
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row)

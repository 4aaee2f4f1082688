"""Batch predictions over HTTP: the bytes that `/predict` answers, by the version that was meant then."""

import io
import time
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from tests.answers import expect_problem, strict_json
from tests.service import ENDED, EXAMPLES, Service, accepted
from tests.web.predictions import FEATURES, csv_of, penguin_rows

Json = dict[str, Any]
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


def submit(api: httpx.Client, dataset: str, name: str = "palmer", **more: object) -> httpx.Response:
    return api.post(f"/api/v1/models/{name}/batch-predictions", json={"dataset": dataset, **more})


def job(api: httpx.Client, job_id: str) -> Json:
    return accepted(api.get(f"/api/v1/jobs/{job_id}"))


def ended(api: httpx.Client, job_id: str) -> Json:
    until = time.monotonic() + 60
    while (found := job(api, job_id))["status"] not in ENDED and time.monotonic() < until:
        time.sleep(0.05)
    assert found["status"] in ENDED
    return found


@pytest.fixture
def busy(service: Service, penguins: Json, table_network: Json) -> Any:
    """The one worker trains a run that goes on until the test is over."""
    run = service.submit(penguins["id"], table_network, model="busy", training={"epochs": 100_000})["id"]
    yield
    accepted(service.client.post(f"/api/v1/runs/{run}/cancel"))
    service.ended(run)


def test_the_result_has_the_bytes_that_predict_answers(api: httpx.Client, penguins: Json, penguins_run: Json) -> None:
    answer = submit(api, penguins["id"])
    made = accepted(answer)
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/v1/jobs/{made['id']}")
    found = ended(api, made["id"])
    assert (found["status"], found["kind"], found["run"]) == ("succeeded", "batch_prediction", penguins_run["id"])
    assert (found["model"], found["version"]) == ("palmer", penguins_run["result"]["version"])
    assert (found["dataset"], found["format"], found["error"]) == (penguins["id"], "csv", None)
    progress = found["progress"]
    rows = penguins["rows"]
    assert (progress["rows"], progress["rows_total"], progress["fraction"]) == (rows, rows, 1.0)
    assert (progress["seconds_left"], progress["rows_per_second"] > 0) == (0.0, True)
    expected = api.post("/api/v1/models/palmer/predict", content=csv_of(penguin_rows()).encode(), headers=CSV).content
    result = api.get(found["result"]["url"], headers={"Range": "bytes=0-3"})
    assert (result.status_code, result.content) == (200, expected)
    assert result.headers["content-type"].startswith("text/csv")
    assert result.headers["content-disposition"] == f'attachment; filename="{made["id"]}.csv"'
    assert result.headers["etag"] == f'"{found["result"]["sha256"]}"'
    assert (found["result"]["rows"], found["result"]["bytes"]) == (rows, len(expected))
    assert api.delete(f"/api/v1/jobs/{made['id']}").status_code == 204
    for gone in (api.get(f"/api/v1/jobs/{made['id']}"), api.get(found["result"]["url"])):
        expect_problem(gone, 404, "job_not_found")


def test_parquet_has_the_same_answers(api: httpx.Client, penguins: Json, penguins_run: Json) -> None:
    made = accepted(submit(api, penguins["id"], format="parquet", options={"calibrated": False}))
    assert made["options"] == {"probabilities": True, "calibrated": False}
    result = api.get(ended(api, made["id"])["result"]["url"])
    assert result.headers["content-type"] == "application/vnd.apache.parquet"
    assert result.headers["content-disposition"] == f'attachment; filename="{made["id"]}.parquet"'
    table = parquet.read_table(io.BytesIO(result.content)).to_pylist()
    asked = {"instances": penguin_rows(), "options": {"calibrated": False}}
    predictions = accepted(api.post("/api/v1/models/palmer/predict", json=asked))["predictions"]
    assert [row["label"] for row in table] == [one["label"] for one in predictions]
    for row, one in zip(table, predictions, strict=True):
        expected = [one["probability"], *one["probabilities"].values()]
        assert list(row.values())[1:] == pytest.approx(expected, rel=1e-7)


def test_data_without_the_models_target_is_answered(api: httpx.Client, penguins: Json, penguins_run: Json) -> None:
    text = csv_of([{name: row[name] for name in FEATURES} for row in penguin_rows()[:30]])
    body = {"target": "body_mass_g", "task": "regression"}
    data = accepted(api.post("/api/v1/datasets", files={"file": ("new.csv", text.encode())}, data=body))
    found = ended(api, accepted(submit(api, data["id"]))["id"])
    assert found["status"] == "succeeded", found["error"]
    assert found["result"]["rows"] == data["rows"]


@pytest.mark.usefixtures("busy")
def test_what_waits_holds_what_it_needs_and_is_cancelled_at_once(
    service: Service, api: httpx.Client, penguins: Json, penguins_run: Json
) -> None:
    rows = [{name: row[name] for name in FEATURES} | {"species": "Adelie"} for row in penguin_rows()[:20]]
    rows[0]["species"] = "Gentoo"
    data = accepted(api.post("/api/v1/datasets", json={"target": "species", "rows": rows}))["id"]
    accepted(api.put("/api/v1/models/palmer/aliases/pinned", json={"version": penguins_run["result"]["version"]}))
    made = strict_json(submit(api, data, alias="pinned"))
    assert (made["status"], made["attempt"], made["progress"], made["result"]) == ("queued", 0, None, None)
    assert (made["version"], made["run"]) == (penguins_run["result"]["version"], penguins_run["id"])
    path = f"/api/v1/jobs/{made['id']}"
    expect_problem(api.delete(path), 409, "job_not_ended")
    expect_problem(api.get(f"{path}/result"), 409, "result_missing")
    expect_problem(api.delete(f"/api/v1/datasets/{data}"), 409, "dataset_in_use")
    queued = accepted(api.get("/api/v1/jobs?status=queued&kind=batch_prediction&limit=1"))["items"]
    assert queued == [made]
    cancelled = accepted(api.post(f"{path}/cancel"))
    assert cancelled["status"] == "cancelled"
    expect_problem(api.post(f"{path}/cancel"), 409, "already_ended")
    assert made["id"] not in {one["id"] for one in accepted(api.get("/api/v1/jobs?status=queued"))["items"]}
    assert api.delete(f"/api/v1/datasets/{data}").status_code == 204
    assert job(api, made["id"])["dataset"] == data
    assert api.delete(path).status_code == 204
    assert api.delete("/api/v1/models/palmer/aliases/pinned").status_code == 204


def test_what_cannot_be_answered_is_refused_at_once(
    api: httpx.Client, penguins: Json, penguins_run: Json, pictures: Json
) -> None:
    before = accepted(api.get("/api/v1/jobs?limit=1"))["items"]
    text = (EXAMPLES / "penguins.csv").read_text().replace("bill_depth_mm", "depth")
    other = accepted(api.post("/api/v1/datasets", files={"file": ("p.csv", text.encode())}, data={"target": "species"}))
    expect_problem(submit(api, other["id"]), 422, "columns_mismatch")
    expect_problem(submit(api, pictures["id"]), 422, "kind_mismatch")
    expect_problem(submit(api, "ds_unknown"), 404, "dataset_not_found")
    expect_problem(submit(api, penguins["id"], name="nobody"), 404, "model_not_found")
    expect_problem(submit(api, penguins["id"], version=99), 404, "version_not_found")
    expect_problem(submit(api, penguins["id"], version=1, alias="x"), 422, "version_and_alias")
    expect_problem(submit(api, penguins["id"], format="xml"), 422)
    expect_problem(api.get("/api/v1/jobs?kind=run"), 422)
    expect_problem(api.get("/api/v1/jobs/job_unknown/result"), 404, "job_not_found")
    assert accepted(api.get("/api/v1/jobs?limit=1"))["items"] == before

"""`/metrics` of a real service: what is asked, answered, trained and waited for, in bounded series."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from app.storage.blobs import Blobs
from app.storage.database import Database
from app.web.metrics import MOST_MODELS, Metrics
from app.web.scrape import PATIENCE_SECONDS, Scrape
from tests.conftest import Json
from tests.samples import Samples, scraped
from tests.service import Service
from tests.worker.processes import until

NAMES = {
    "dropnorm_jobs", "dropnorm_queue_oldest_seconds", "dropnorm_runs", "dropnorm_worker_epochs_total",
    "dropnorm_worker_training_rows_total", "dropnorm_training_rows_per_second", "dropnorm_worker_leases_lost_total",
    "dropnorm_worker_trainers_lost_total", "dropnorm_workers_seen", "dropnorm_http_requests_total",
    "dropnorm_http_request_seconds_bucket", "dropnorm_prediction_seconds_bucket", "dropnorm_prediction_rows_total",
    "dropnorm_model_cache_models", "dropnorm_predictions_refused_total", "dropnorm_model_cache_requests_total",
    "dropnorm_database_up", "dropnorm_database_seconds", "dropnorm_disk_free_bytes", "dropnorm_disk_total_bytes",
    "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
}  # fmt: skip
ROW: Json = {"instances": [{"island": "Biscoe", "bill_length_mm": 47.5}] * 3}


def test_every_figure_is_there_once_a_model_was_asked(service: Service, penguins_run: Json) -> None:
    before = scraped(service.client)
    for _ in range(2):
        assert service.client.post("/api/v1/models/palmer/predict", json=ROW).status_code == 200
    assert service.client.post(f"/api/v1/runs/{penguins_run['id']}/predict", json=ROW).status_code == 200
    after = scraped(service.client)
    assert {sample.name for sample in after.all} >= NAMES
    rows = "dropnorm_prediction_rows_total"
    assert after.of(rows)[("palmer", "default")] - before.of(rows).get(("palmer", "default"), 0) == 6
    assert after.of(rows)[("(run)", "default")] - before.of(rows).get(("(run)", "default"), 0) == 3
    seconds = after.value("dropnorm_prediction_seconds_count", project="default", model="palmer")
    assert seconds - before.of("dropnorm_prediction_seconds_count").get(("palmer", "default"), 0) == 2
    assert after.value("dropnorm_model_cache_models") >= 1
    asked = [sum(one.of("dropnorm_model_cache_requests_total").values()) for one in (before, after)]
    assert asked[1] - asked[0] == 3


def test_what_workers_did_is_told_within_a_heartbeat(service: Service, penguins_run: Json) -> None:
    def told() -> bool:
        return sum(scraped(service.client).of("dropnorm_worker_epochs_total").values()) >= 4

    until(told, 15)
    found = scraped(service.client)
    # 275 of the penguins are trained on, in each of four epochs.
    assert sum(found.of("dropnorm_worker_training_rows_total").values()) >= 4 * 275
    assert found.value("dropnorm_workers_seen") == 1
    assert found.value("dropnorm_runs", status="succeeded") >= 1
    assert found.value("dropnorm_database_up") == 1
    assert 0 < found.value("dropnorm_disk_free_bytes") < found.value("dropnorm_disk_total_bytes")


def test_no_path_and_no_method_that_a_stranger_thinks_of_becomes_a_label(api: httpx.Client) -> None:
    for number in range(5):
        assert api.get(f"/nothing/{number}").status_code == 404
        assert api.post(f"/api/v1/models/never-{number}/predict", json=ROW).status_code == 404
        api.get(f"/api/v1/runs/run_{number}")
        api.head(f"/api/v1/runs/run_{number}")
        api.get("/healthz", headers={"Host": f"evil-{number}"})
    found = scraped(api)
    requests = [sample.labels for sample in found.all if sample.name == "dropnorm_http_requests_total"]
    assert {"method": "GET", "route": "unknown", "status": "404"} in requests
    assert {"method": "GET", "route": "unknown", "status": "400"} in requests
    assert {"method": "HEAD", "route": "/api/v1/runs/{run_id}", "status": "404"} in requests
    assert {"method": "POST", "route": "/api/v1/models/{name}/predict", "status": "404"} in requests
    text = "\n".join(found.lines)
    assert [word for word in ("nothing", "never-", "run_0", "evil") if word in text] == []


def test_every_series_has_a_meaning_and_stands_once(api: httpx.Client) -> None:
    found = scraped(api)
    assert [family.name for family in found.families if not family.documentation] == []
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in found.all]
    assert len(series) == len(set(series))
    assert [line for line in found.lines if "_created" in line] == []


def test_however_many_models_there_are_their_series_are_bounded() -> None:
    metrics = Metrics()
    for number in range(3 * MOST_MODELS):
        metrics.prediction("default", f"model-{number}", 1, 0.001)
    rows = Samples(metrics.text().decode()).of("dropnorm_prediction_rows_total")
    assert len(rows) == MOST_MODELS + 1
    assert rows[("(other)", "(other)")] == 2 * MOST_MODELS


@pytest.mark.parametrize("silent", [False, True], ids=["it refuses", "it accepts and says nothing"])
def test_a_database_that_is_away_is_told_soon(tmp_path: Path, silent: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if silent:
            listener.listen()
        scrape = Scrape(Metrics(), Database(f"postgresql+psycopg://me@127.0.0.1:{port}/none"), Blobs(tmp_path))
        for _ in range(2):
            began = time.monotonic()
            found = Samples(scrape.text().decode())
            assert time.monotonic() - began < PATIENCE_SECONDS + 2
            assert found.value("dropnorm_database_up") == 0
            assert found.of("dropnorm_jobs") == {}
            assert found.value("dropnorm_disk_total_bytes") > 0

"""T21: a thousand runs submitted by one key. As many as the quota allows are queued, the others get 429, and
predictions go on as before."""

import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.keys import ADMIN, client, guarded, holder, made
from tests.service import Service, accepted
from tests.stored import counts

Json = dict[str, Any]
RUNS, PLACES, SENDERS = 1_000, 100, 4
NETWORK: Json = {"layers": [{"type": "dense"}]}
QUESTION = {"instances": [{"year": 2007}]}


@pytest.fixture(scope="module")
def crowded(service: Service, penguins_run: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a copy of the data, with a trained model, places for 100 runs, and nobody who takes them."""
    folder = tmp_path_factory.mktemp("crowded")
    subprocess.run(["cp", "-R", str(service.data_dir), str(folder / "data")], check=True)
    with guarded(folder, workers="0", max_unfinished_runs=str(PLACES)) as running:
        yield running


def seconds(asker: httpx.Client, times: int) -> list[float]:
    """How long each of so many predictions took."""
    found = []
    for _ in range(times):
        answer = asker.post("/api/v1/models/palmer/predict", json=QUESTION)
        assert answer.status_code == 200, answer.text
        found.append(answer.elapsed.total_seconds())
    return found


def test_a_thousand_runs_of_one_key_fill_its_places_and_no_more(crowded: Service, penguins_run: Json) -> None:
    key = made(crowded, "train")["key"]
    body = {"dataset": penguins_run["dataset"], "network": NETWORK, "training": {"epochs": 1}}
    before = counts(crowded)["runs"]
    with holder(crowded, "predict") as asker:
        alone = statistics.median(seconds(asker, 100))

        def submit(number: int) -> list[httpx.Response]:
            with client(crowded, key) as sender:
                return [sender.post("/api/v1/runs", json=body) for _ in range(RUNS // SENDERS)]

        with ThreadPoolExecutor(SENDERS) as pool:
            sent = [pool.submit(submit, number) for number in range(SENDERS)]
            while not all(one.done() for one in sent):
                assert max(seconds(asker, 5)) < 5
            answers = [answer for one in sent for answer in one.result()]
        crowd = statistics.median(seconds(asker, 100))
    assert Counter(answer.status_code for answer in answers) == {202: PLACES, 429: RUNS - PLACES}
    for answer in answers:
        if answer.status_code == 429:
            expect_problem(answer, 429, "too_many_runs")
            assert int(answer.headers["retry-after"]) > 0
    assert counts(crowded)["runs"] == before + PLACES
    # With the queue full a prediction takes what it took: it asks neither the queue nor the database.
    assert crowd < 3 * alone + 0.01


def test_another_project_has_places_of_its_own(crowded: Service) -> None:
    with holder(crowded, "read", "train", project="elsewhere") as other:
        rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(12)]
        dataset = accepted(other.post("/api/v1/datasets", json={"target": "y", "rows": rows}))["id"]
        assert other.post("/api/v1/runs", json={"dataset": dataset, "network": NETWORK}).status_code == 202


def test_a_key_that_asks_faster_than_it_may_is_put_off_and_others_are_not(tmp_path: Path) -> None:
    with guarded(tmp_path, workers="0", max_requests_per_second="20") as running:
        key = made(running, "read")["key"]
        with client(running, key) as hasty, client(running, ADMIN) as other:
            begin, statuses = time.monotonic(), Counter[int]()
            while time.monotonic() < begin + 1.5:
                answer = hasty.get("/api/v1/runs")
                statuses[answer.status_code] += 1
                if answer.status_code == 429:
                    expect_problem(answer, 429)
                    assert int(answer.headers["retry-after"]) > 0
            assert set(statuses) == {200, 429}
            assert statuses[200] <= 20 * 4
            assert other.get("/api/v1/runs").status_code == 200
            assert hasty.get("/healthz").status_code == 200

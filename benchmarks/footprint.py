"""Memory of a service, and how long a submitted run takes to its first epoch. `python -m benchmarks.footprint [runs]`.

Resident memory in MB (10⁶ bytes) by process: idle, and with a model that has answered predictions. Seconds from
before `POST /runs` until the first epoch's event has arrived: the median of several runs, and the slowest.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.service import running
from tests.service import Service

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PREDICTIONS = 200
REST_SECONDS = 3.0
PENGUIN = {"island": "Biscoe", "bill_length_mm": 47.5, "bill_depth_mm": 15.0, "flipper_length_mm": 218, "year": 2009}


@dataclass(frozen=True)
class Work:
    """A file to train on, the network, and what the model is called."""

    name: str
    file: str
    network: str
    model: str
    target: str | None = None


WORKS = (
    Work("344 rows of a table, 32 units", "penguins.csv", "table", "penguins", "species"),
    Work("240 pictures, the article's batch-norm network", "pictures.zip", "article-batchnorm", "pictures"),
)


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


def memory(service: Service) -> dict[str, float]:
    """The API process, its worker and the worker's trainer, once they have come to rest."""
    time.sleep(REST_SECONDS)
    api = psutil.Process(service.pid)
    (worker,) = api.children()
    (trainer,) = worker.children()
    return {"API": megabytes(api), "worker": megabytes(worker), "trainer": megabytes(trainer)}


def events(client: httpx.Client, run: str) -> Iterator[str]:
    """The kind of each event of a run, as it arrives."""
    with client.stream("GET", f"/runs/{run}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                yield line.removeprefix("event: ")


def seconds_to_first_epoch(client: httpx.Client, wanted: dict[str, Any]) -> float:
    """Submits a run, waits for its end, and answers when its first epoch's event came."""
    began = time.perf_counter()
    answer = client.post("/runs", json=wanted)
    answer.raise_for_status()
    first = None
    for kind in events(client, answer.json()["id"]):
        if kind == "epoch" and first is None:
            first = time.perf_counter() - began
    if first is None:
        raise SystemExit("the run ended without an epoch")
    return first


def measure(client: httpx.Client, work: Work, runs: int) -> list[float]:
    with (EXAMPLES / work.file).open("rb") as file:
        form = {"target": work.target} if work.target else {}
        dataset = client.post("/datasets", files={"file": (work.file, file)}, data=form).raise_for_status().json()
    network = json.loads((EXAMPLES / "networks" / f"{work.network}.json").read_text())
    wanted = {"dataset": dataset["id"], "network": network, "model": work.model, "training": {"epochs": 3, "seed": 7}}
    return [seconds_to_first_epoch(client, wanted) for _ in range(runs)]


def predict(client: httpx.Client) -> None:
    for _ in range(PREDICTIONS):
        client.post("/models/penguins/predict", json={"instances": [PENGUIN]}).raise_for_status()


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    table, pictures = WORKS
    with running() as service, httpx.Client(base_url=f"{service.address}/api/v1", timeout=600) as client:
        idle = memory(service)
        seconds = {table: measure(client, table, runs)}
        predict(client)
        used = memory(service)
        seconds[pictures] = measure(client, pictures, runs)
    print(f"| process | idle, MB | after {PREDICTIONS} predictions of one model, MB |\n|---|--:|--:|")
    for name, value in idle.items():
        print(f"| {name} | {value:.0f} | {used[name]:.0f} |")
    print(f"\n| from submitting to the first epoch's event, s | median of {runs} | slowest |\n|---|--:|--:|")
    for work, found in seconds.items():
        print(f"| {work.name} | {statistics.median(found):.2f} | {max(found):.2f} |")


if __name__ == "__main__":
    main()

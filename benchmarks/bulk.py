"""A million rows of CSV through a service, which answers a CSV. `python -m benchmarks.bulk [--rows N] [--rounds N]`.

Beside it in the same round, the same file is read by `pyarrow.csv.read_csv` on one thread. Rows a second are told by
the clock and by the seconds of one core that the answering process took, its start included; MB are 10^6 bytes. Memory
is what is resident, its median over each third of the time: flat is what it must be.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import csv

from benchmarks.service import running
from tests.service import EXAMPLES, Service

ROWS_AT_ONCE = 100_000
TRAINING_ROWS = 5_000
LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Kind:
    """A table: its name, and how many columns of numbers and of categories it has."""

    name: str
    numbers: int
    categories: int


KINDS = (Kind("8 numbers, 2 categories", 8, 2), Kind("30 numbers", 30, 0))


@dataclass
class Round:
    """One round: seconds of the reader alone; seconds, and of processors, of the service."""

    reader: float
    seconds: float
    process: float
    api: float
    memory: dict[str, list[float]] = field(default_factory=dict)


def write(path: Path, kind: Kind, rows: int, *, target: bool) -> None:
    """The same file for the same arguments."""
    generator = np.random.default_rng(kind.numbers)
    words = np.array([f"word{place:02d}" for place in range(20)])
    with path.open("wb") as file:
        for start in range(0, rows, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, rows - start)
            columns: dict[str, object] = {
                f"number{place}": generator.normal(size=count).round(6) for place in range(kind.numbers)
            }
            for place in range(kind.categories):
                columns[f"category{place}"] = words[generator.integers(0, len(words), count)]
            if target:
                columns["class"] = np.array(["a", "b", "c"])[generator.integers(0, 3, count)]
            csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=start == 0, quoting_style="needed"))


def train(service: Service, kind: Kind, folder: Path) -> str:
    """The name of a model for the kind."""
    write(folder / "training.csv", kind, TRAINING_ROWS, target=True)
    dataset = service.upload(folder / "training.csv", target="class")
    network = json.loads((EXAMPLES / "networks/table.json").read_text())
    model = f"m{kind.numbers}"
    service.ended(service.submit(dataset["id"], network, model=model, training={"epochs": 2, "seed": 7})["id"])
    return model


def read_alone(path: Path) -> float:
    began = time.process_time()
    csv.read_csv(path, csv.ReadOptions(use_threads=False))
    return time.process_time() - began


@contextmanager
def watched(api: psutil.Process) -> Iterator[dict[str, list[float]]]:
    """What is resident of the API and of its answering process, looked at again and again."""
    memory: dict[str, list[float]] = {"API": [], "process": []}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            memory["API"].append(api.memory_info().rss / 1e6)
            for child in api.children():
                try:
                    if "app.bulk" in child.cmdline():
                        memory["process"].append(child.memory_info().rss / 1e6)
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()


def measure(service: Service, model: str, path: Path, rows: int) -> Round:
    api = psutil.Process(service.pid)
    found = Round(read_alone(path), 0.0, 0.0, 0.0)
    address = f"{service.address}/api/v1/models/{model}/predict"
    headers = ["-H", "Content-Type: text/csv", "-H", "Accept: text/csv"]
    before, began = api.cpu_times(), time.perf_counter()
    with watched(api) as found.memory, tempfile.NamedTemporaryFile() as answer:
        command = ["curl", "-s", "--fail", "-X", "POST", *headers, "-T", str(path), "-o", answer.name, address]
        subprocess.run(command, check=True)
        found.seconds = time.perf_counter() - began
        lines = Path(answer.name).read_bytes().count(b"\n")
    after = api.cpu_times()
    if lines != rows + 1:
        raise SystemExit(f"{lines} lines were answered to {rows} rows")
    found.process = sum(after[2:4]) - sum(before[2:4])
    found.api = sum(after[:2]) - sum(before[:2])
    return found


def thirds(values: list[float]) -> str:
    """Medians of the three thirds of the time, and the most."""
    parts = [statistics.median(part) for part in np.array_split(np.array(values), 3) if len(part)]
    return f"{', '.join(f'{part:.0f}' for part in parts)}; {max(values):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(
        "| columns | MB | rows/s | rows/s of one core | read_csv alone, rows/s of one core | API, s of a core "
        "| API, MB: thirds; most | process, MB: thirds; most |\n|---|--:|--:|--:|--:|--:|---|---|"
    )
    with running() as service, tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            model, path = train(service, kind, Path(name)), Path(name) / "rows.csv"
            write(path, kind, asked.rows, target=False)
            rounds = [measure(service, model, path, asked.rows) for _ in range(asked.rounds)]
            reader, seconds, process, api = (
                statistics.median(getattr(one, part) for one in rounds)
                for part in ("reader", "seconds", "process", "api")
            )
            speeds = " | ".join(f"{asked.rows / taken:,.0f}" for taken in (seconds, process, reader))
            memory = " | ".join(thirds(rounds[-1].memory[name]) for name in ("API", "process"))
            print(f"| {kind.name} | {path.stat().st_size / 1e6:.0f} | {speeds} | {api:.2f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()

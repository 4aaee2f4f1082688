"""Slow clients: how much later others are answered. `python -m benchmarks.slow_clients [rounds]`.

Milliseconds of a prediction of one row, median and 99th percentile, on one connection: alone; beside 200 connections
that send headers or bodies at a byte a second; beside a chunked body without an end; and beside both. In each round
they follow one another, so that whatever else the machine does slows all of them; the table shows the medians of the
rounds.
"""

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from benchmarks.service import running
from tests.attacks.slow import SlowClients
from tests.service import Service, accepted

CLIENTS, SECONDS = 200, 4.0
PATH = "/api/v1/models/slow/predict"
CHUNK = b" " * 1024


def prepared(service: Service) -> None:
    """Trains the model that is asked."""
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(40)]
    dataset = accepted(service.client.post("/api/v1/datasets", json={"target": "y", "rows": rows}))["id"]
    run = service.submit(dataset, {"layers": [{"type": "dense"}]}, model="slow", training={"epochs": 1})
    assert service.ended(run["id"])["status"] == "succeeded"


def milliseconds(service: Service) -> tuple[float, float]:
    """The median and the 99th percentile of predictions for some seconds."""
    took: list[float] = []
    with httpx.Client(base_url=service.address, timeout=60) as asker:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            begin = time.perf_counter()
            accepted(asker.post(PATH, json={"instances": [{"x": 1.5}]}))
            took.append(1000 * (time.perf_counter() - begin))
    return statistics.median(took), statistics.quantiles(took, n=100)[-1]


@contextmanager
def endless(service: Service) -> Iterator[None]:
    """Bodies in chunks that never end, one after the other as each is cut off."""
    stopping = threading.Event()

    def chunks() -> Iterator[bytes]:
        while not stopping.is_set():
            yield CHUNK
            # A megabyte a second: fast enough to be waited for.
            time.sleep(0.001)

    def send() -> None:
        headers = {"Content-Type": "application/json"}
        while not stopping.is_set():
            with contextlib.suppress(httpx.TransportError):
                httpx.post(service.address + PATH, content=chunks(), headers=headers, timeout=60)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    slow, both = f"{CLIENTS} slow clients", f"{CLIENTS} slow clients and an endless body"
    found: dict[str, list[tuple[float, float]]] = {"nothing": [], slow: [], "an endless body": [], both: []}
    with running(body_seconds="30") as service:
        prepared(service)
        milliseconds(service)
        for _ in range(rounds):
            found["nothing"].append(milliseconds(service))
            with SlowClients(service, CLIENTS, PATH):
                found[slow].append(milliseconds(service))
            with endless(service):
                found["an endless body"].append(milliseconds(service))
            with SlowClients(service, CLIENTS, PATH), endless(service):
                found[both].append(milliseconds(service))
    print("| beside | median, ms | p99, ms |\n|---|---|---|")
    for name, times in found.items():
        medians, tails = zip(*times, strict=True)
        print(f"| {name} | {statistics.median(medians):.2f} | {statistics.median(tails):.2f} |")


if __name__ == "__main__":
    main()

"""What `/metrics` answers: what this service counts, and figures of queue, workers and disk, read when it is asked."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.errors import DropnormError
from app.storage import disks, figures
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.figures import Figures, WorkerFigures
from app.web.metrics import Metrics
from app.web.shared_metrics import Processes

PATIENCE_SECONDS = 4.0
"""A scraper gives up after ten seconds; it is to hear by then that the database says nothing."""
WORKERS: dict[str, tuple[str, Callable[[WorkerFigures], int]]] = {
    "dropnorm_worker_epochs": ("Epochs that the worker wrote down since it started.", lambda one: one.epochs),
    "dropnorm_worker_training_rows": ("Rows trained on in those epochs.", lambda one: one.training_rows),
    "dropnorm_worker_leases_lost": ("Jobs that it took from others, lost ones.", lambda one: one.leases_lost),
    "dropnorm_worker_trainers_lost": ("Trainers that died or fell silent.", lambda one: one.trainers_lost),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database told, and how long that took; no figures where it told nothing."""

    figures: Figures | None
    seconds: float


class Scrape:
    """`text` answers within some seconds, also where the database does not; scrapes at one time share one reading."""

    def __init__(self, metrics: Metrics, database: Database, blobs: Blobs) -> None:
        self._metrics, self._database, self._blobs = metrics, database, blobs
        self._reader = ThreadPoolExecutor(1, "figures")
        self._pending: Future[Reading] | None = None
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        now = CollectorRegistry()
        now.register(_Fixed([*_of_database(self._read()), *self._of_disk()]))
        now.register(Processes(self._metrics.shared))
        return self._metrics.text() + generate_latest(now)

    def _read(self) -> Reading:
        began = time.monotonic()
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = self._reader.submit(self._ask)
            pending = self._pending
        try:
            return pending.result(PATIENCE_SECONDS)
        except TooSlow:
            return Reading(None, time.monotonic() - began)

    def _ask(self) -> Reading:
        began = time.monotonic()
        try:
            with self._database.read() as session:
                found = figures.read(session)
        except DropnormError:
            # Storage has logged why.
            return Reading(None, time.monotonic() - began)
        return Reading(found, time.monotonic() - began)

    def _of_disk(self) -> Iterator[Metric]:
        room = disks.room(self._blobs.root)
        if room is not None:
            yield GaugeMetricFamily("dropnorm_disk_free_bytes", "Room left for the data folder.", room.free)
            yield GaugeMetricFamily("dropnorm_disk_total_bytes", "Size of the data folder's disk.", room.total)


class _Fixed(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _of_database(reading: Reading) -> Iterator[Metric]:
    found = reading.figures
    yield GaugeMetricFamily(
        "dropnorm_database_up", "1 where the database answered this scrape.", int(found is not None)
    )
    yield GaugeMetricFamily("dropnorm_database_seconds", "How long the database took for this scrape.", reading.seconds)
    if found is None:
        return
    yield _by_status("dropnorm_jobs", "Jobs that wait or are worked on.", found.jobs)
    yield _by_status("dropnorm_runs", "Runs by status.", found.runs)
    yield _by_status("dropnorm_batch_predictions", "Batch predictions by status.", found.batch_predictions)
    yield GaugeMetricFamily("dropnorm_queue_oldest_seconds", "Wait of the first in the queue.", found.oldest_seconds)
    yield GaugeMetricFamily(
        "dropnorm_training_rows_per_second", "Rows trained on a second, over all runs.", found.rows_per_second
    )
    yield GaugeMetricFamily("dropnorm_workers_seen", "Workers seen within 30 seconds.", found.workers_seen)
    for name, (meaning, of) in WORKERS.items():
        family = CounterMetricFamily(name, meaning, labels=("worker",))
        for worker in found.workers:
            family.add_metric((worker.id,), of(worker))
        yield family


def _by_status(name: str, meaning: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=("status",))
    for status, count in counts.items():
        family.add_metric((status,), count)
    return family

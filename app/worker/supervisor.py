"""The worker: claims jobs, watches the trainer that computes them, and writes down what it reports.

The clock and the database are here; the mathematics is in the trainer, which has neither.
"""

import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

from app.errors import DropnormError, StorageFull, Unavailable
from app.storage import jobs, records, workers
from app.storage.base import DEFAULT_PROJECT
from app.storage.database import Database
from app.storage.jobs import Claim, LostJob
from app.worker.orders import order_for
from app.worker.process import Trainer
from app.worker.watch import HEARTBEAT_SECONDS, POLL_SECONDS, RETRY_SECONDS, Watch, patiently, told

LARGEST_IDLE_BYTES = 1 << 30
_LOG = logging.getLogger("dropnorm.worker")


class Supervisor:
    """One job at a time, by one trainer that waits between jobs with torch imported.

    `stop` may be set from a signal handler or another thread.
    """

    def __init__(self, database: Database, data_dir: str, worker_id: str, project: str) -> None:
        self.database, self.data_dir, self.worker_id, self.project = database, data_dir, worker_id, project
        self.stop = threading.Event()
        self._trainer: Trainer | None = None

    def run(self) -> None:
        """Works until `stop` is set, then hands its job back and leaves no process behind."""
        trainer = self._ready_trainer()
        # Not seen as a worker before it can work, so that readiness tells the truth.
        while trainer.alive and not self.stop.is_set() and not any(trainer.messages(POLL_SECONDS)):
            continue
        seen_at = -HEARTBEAT_SECONDS
        try:
            while not self.stop.is_set():
                if time.monotonic() - seen_at > HEARTBEAT_SECONDS:
                    self.report_alive()
                    seen_at = time.monotonic()
                held = self._claim()
                if held is None:
                    self.stop.wait(POLL_SECONDS)
                else:
                    self._work(held)
        finally:
            self._drop_trainer()

    def report_alive(self) -> None:
        with told("the worker could not report"), self.database.write() as session:
            workers.seen(session, self.worker_id, self.project)

    def _claim(self) -> Claim | None:
        try:
            with self.database.read() as session:
                if not jobs.anything_to_claim(session):
                    return None
            with self.database.write() as session:
                return jobs.claim(session, self.worker_id)
        except (Unavailable, StorageFull) as error:
            _LOG.warning("no job can be claimed: %s", error.detail)
            self.stop.wait(1.0)
            return None

    def _work(self, held: Claim) -> None:
        if held.spent:
            # What kills supervisor and trainer together leaves nobody to count, only leases that ran out.
            self._fail(held, "worker_killed", f"the worker was lost {held.crashes} times while it trained this run")
            return
        trainer = self._ready_trainer()
        _LOG.info("attempt %d of %s begins", held.attempt, held.job_id)
        try:
            with self.database.read() as session:
                order = order_for(session, held, self.data_dir)
            trainer.order({"kind": "order", "order": order.model_dump(mode="json")})
            Watch(self.database, held, order.folder, trainer, self.stop, self.report_alive).run()
        except LostJob as lost:
            _LOG.warning("%s", lost.detail)
            self._drop_trainer()
        except (Unavailable, StorageFull) as error:
            _LOG.warning("attempt %d of %s is put off: %s", held.attempt, held.job_id, error.detail)
            self._put_off(held)
        except DropnormError as error:
            self._fail(held, error.code, error.detail)
            self._drop_trainer()
        except Exception:  # noqa: BLE001 - the worker must outlive what one run meets
            _LOG.exception("attempt %d of %s failed", held.attempt, held.job_id)
            self._fail(held, "internal", "the worker failed; the failure is in its log")
            self._drop_trainer()
        if not self.stop.is_set():
            self._ready_trainer()

    def _ready_trainer(self) -> Trainer:
        """The trainer that waits; a new one in place of one that is gone or holds on to much memory."""
        if self._trainer is None or not self._trainer.alive or self._trainer.resident_bytes() > LARGEST_IDLE_BYTES:
            self._drop_trainer()
            self._trainer = Trainer()
        return self._trainer

    def _drop_trainer(self) -> None:
        if self._trainer is not None:
            self._trainer.kill()
            self._trainer = None

    def _put_off(self, held: Claim) -> None:
        with told("the run could not be handed back"):
            patiently(self.database, lambda session: jobs.release(session, held, after_seconds=RETRY_SECONDS))

    def _fail(self, held: Claim, code: str, message: str) -> None:
        with told("the failure could not be recorded"), self.database.write() as session:
            records.failed(session, held, code, message)


def work(database_url: str, data_dir: Path) -> None:
    """One worker, until SIGTERM or SIGINT."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    supervisor = Supervisor(Database(database_url), str(data_dir.resolve()), name, DEFAULT_PROJECT)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop.set())
    supervisor.run()

"""The worker: claims jobs, watches the trainer that computes them, and writes down what it reports.

The clock and the database are here; the mathematics is in the trainer, which has neither.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from app.errors import DropnormError, StorageFull, Unavailable
from app.failpoints import reach
from app.storage import jobs, workers
from app.storage.blobs import Blobs
from app.storage.database import Database, Session
from app.storage.installation import Installation
from app.storage.jobs import LEASE_SECONDS, Claim, LostJob
from app.tracing import Tracing
from app.worker.counts import Counts
from app.worker.kinds import KINDS
from app.worker.ledger import Ledger
from app.worker.orders import AnyOrder
from app.worker.process import Trainer
from app.worker.told import attempt_told
from app.worker.watch import HEARTBEAT_SECONDS, POLL_SECONDS, Watch

LARGEST_IDLE_BYTES = 1 << 30
LONGEST_PAUSE_SECONDS = 60.0
WRITE_SECONDS = 20.0
_LOG = logging.getLogger("dropnorm.worker")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a worker may be silent before its run is another's, and the least time between checkpoints."""

    lease_seconds: float = LEASE_SECONDS
    checkpoint_seconds: float = 5.0


class Supervisor:
    """One job at a time, by one trainer that waits between jobs with torch imported.

    `stop` may be set from a signal handler or another thread.
    """

    def __init__(
        self, database: Database, blobs: Blobs, worker_id: str, project: str, pace: Pace, tracing: Tracing | None = None
    ) -> None:
        self.database, self.blobs, self.worker_id, self.project = database, blobs, worker_id, project
        self.pace, self.stop, self.counts, self._tracing = pace, threading.Event(), Counts(), tracing
        self._trainer: Trainer | None = None
        self._failed_starts = 0
        self._seen_at = -HEARTBEAT_SECONDS
        self._hindrance = ""
        self._installation = Installation(database, blobs)

    def run(self) -> None:
        """Works until `stop` is set, then hands its job back and leaves no process behind."""
        try:
            while not self.stop.is_set():
                # Not seen as a worker before it can work, so that readiness tells the truth.
                if not self._trainer_is_ready():
                    continue
                self.report_alive()
                held = self._claim()
                if held is None:
                    self.stop.wait(POLL_SECONDS)
                else:
                    self._work(held)
        finally:
            self._drop_trainer()

    def report_alive(self) -> None:
        """Says now and then that this worker lives."""
        if time.monotonic() - self._seen_at < HEARTBEAT_SECONDS:
            return
        self._seen_at = time.monotonic()
        with self._told("the worker could not report"), self.database.write() as session:
            workers.seen(session, self.worker_id, self.project, asdict(self.counts))

    def _claim(self) -> Claim | None:
        try:
            if not self._installation.check():
                self._hindered("the data folder is not this database's; is its disk mounted?")
                return None
            obstacle = self.blobs.obstacle()
            if obstacle is not None:
                self._hindered(f"the data folder's disk: {obstacle}")
                return None
            with self.database.read() as session:
                if not jobs.anything_to_claim(session):
                    self._hindrance = ""
                    return None
            with self.database.write() as session:
                held = jobs.claim(session, self.worker_id, self.pace.lease_seconds)
        except (Unavailable, StorageFull) as error:
            self._hindered(error.detail)
            self.stop.wait(1.0)
            return None
        self._hindrance = ""
        self.counts.leases_lost += held is not None and held.taken_over
        reach("claimed", self.worker_id)
        return held

    def _hindered(self, why: str) -> None:
        if why != self._hindrance:
            _LOG.warning("nothing can be claimed: %s", why)
        self._hindrance = why

    def _work(self, held: Claim) -> None:
        if held.spent:
            # What kills supervisor and trainer together leaves nobody to count, only leases that ran out.
            kind = KINDS[held.kind]
            what = f"the worker was lost {held.crashes} times while it {kind.doing}{kind.meanwhile}"
            self._fail(held, "worker_killed", what)
            return
        try:
            with self.database.read() as session:
                order = KINDS[held.kind].order_for(session, held, str(self.blobs.root), self.pace.checkpoint_seconds)
            with attempt_told(self._tracing, order.run_id, held) as told:
                told["outcome"] = self._attempt(held, order)
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

    def _attempt(self, held: Claim, order: AnyOrder) -> str:
        """Has a trainer compute the job; answers how that ended, in a word."""
        trainer = self._new_or_waiting()
        trainer.order({"kind": "order", "order": order.model_dump(mode="json")})
        return Watch(
            self.database, self.blobs, held, order.folder, trainer, self.stop, self.report_alive, self.counts
        ).run()

    def _trainer_is_ready(self) -> bool:
        """Starts a trainer where there is none; one that dies before it is ready is followed after a longer pause."""
        trainer = self._new_or_waiting()
        if trainer.ready or any(trainer.messages(POLL_SECONDS)):
            self._failed_starts = 0
        elif not trainer.alive:
            self._failed_starts += 1
            pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._failed_starts, 10))
            _LOG.error("a trainer ended before it was ready; another is started in %g seconds", pause)
            self.stop.wait(pause)
        return trainer.ready

    def _new_or_waiting(self) -> Trainer:
        """The trainer that waits; a new one in place of one that is gone or holds on to much memory."""
        if self._trainer is None or not self._trainer.alive or self._trainer.resident_bytes() > LARGEST_IDLE_BYTES:
            self.counts.trainers_lost += self._trainer is not None and self._trainer.lost
            self._drop_trainer()
            self._trainer = Trainer()
        return self._trainer

    def _drop_trainer(self) -> None:
        if self._trainer is not None:
            self._trainer.kill()
            self._trainer = None

    def _put_off(self, held: Claim) -> None:
        self._finally(held, lambda ledger, session: ledger.put_off(session))

    def _fail(self, held: Claim, code: str, message: str) -> None:
        self._finally(held, lambda ledger, session: ledger.fail(session, code, message))

    def _finally(self, held: Claim, write: Callable[[Ledger, Session], None]) -> None:
        """A last write, repeated while the database is away; given up in the end, as its lease then is."""
        ledger, give_up = Ledger(held), time.monotonic() + WRITE_SECONDS
        with self._told("how the attempt ended could not be recorded"):
            while True:
                try:
                    with self.database.write() as session:
                        ledger.renew(session)
                        write(ledger, session)
                    return
                except (Unavailable, StorageFull):
                    if time.monotonic() > give_up or self.stop.wait(0.5):
                        raise

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Logs a database that is away for now, or a lost job, instead of ending the worker."""
        try:
            yield
        except (Unavailable, StorageFull, LostJob) as error:
            _LOG.warning("%s: %s", what, error.detail)

"""Watching one attempt: its trainer's reports, its lease, a wish to cancel, and its end.

Every transaction renews the lease before it writes anything else, so that nothing is written by an attempt that has
lost its job, however long it was stopped or cut off. While the database is away the trainer goes on, and what it
reports waits here.
"""

import logging
import threading
import time
from collections.abc import Callable

from app.errors import DropnormError, StorageFull, Unavailable
from app.failpoints import reach
from app.storage import jobs
from app.storage.blobs import Blobs
from app.storage.database import Database, Session
from app.storage.jobs import Claim, LostJob
from app.worker.channel import Message
from app.worker.counts import Counts
from app.worker.ledger import ENDS, Ledger
from app.worker.process import Trainer

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 5.0
HEARTBEATS_A_LEASE = 6
CANCEL_POLL_SECONDS = 0.5
GRACE_SECONDS = 10.0
SILENCE_SECONDS = 600.0
AWAY_SECONDS = 600.0
LEAVE_SECONDS = 5.0
WRITE_AGAIN_SECONDS = 0.5
LONGEST_BATCH = 200
MOST_WAITING = 10_000
_LOG = logging.getLogger("dropnorm.worker")


class Watch:
    """One attempt, from its order to its end. `stop` is the wish that the worker ends."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        held: Claim,
        folder: str,
        trainer: Trainer,
        stop: threading.Event,
        report_alive: Callable[[], None],
        counts: Counts,
    ) -> None:
        self.database, self.blobs, self.held, self.trainer, self.stop = database, blobs, held, trainer, stop
        self._folder, self._report_alive, self._counts = folder, report_alive, counts
        self._ledger = Ledger(held)
        self._waiting: list[Message] = []
        self._heartbeat = min(HEARTBEAT_SECONDS, held.lease_seconds / HEARTBEATS_A_LEASE)
        self._renewed = self._looked = self._heard = time.monotonic()
        self._away_since: float | None = None
        self._told_at: float | None = None
        self._ending: Callable[[Session], None] | None = None

    def run(self) -> str:
        """Returns when the job has ended or was handed back, and answers which, in a word.

        Raises `LostJob` when fenced, or cut off for too long.
        """
        while not self._ledger.ended:
            self._listen()
            self._tell()
            try:
                self._go_on()
                self._away_since = None
            except (Unavailable, StorageFull) as error:
                self._be_patient(error)
        return self._ledger.outcome

    def _listen(self) -> None:
        if len(self._waiting) > MOST_WAITING:
            # More than can be written down soon: the trainer waits, and is not silent for that.
            self._heard = time.monotonic()
            return
        # A trainer may still say something of an attempt before this one.
        heard = self.trainer.messages(0.0 if self._waiting else POLL_SECONDS)
        said = [message for message in heard if message["folder"] == self._folder]
        if said:
            self._heard = time.monotonic()
        self._waiting += [message for message in said if message["kind"] != "alive"]
        # Of what only tells how far training is, the last is enough.
        last = max((place for place, message in enumerate(self._waiting) if message["kind"] == "progress"), default=-1)
        self._waiting = [m for place, m in enumerate(self._waiting) if m["kind"] != "progress" or place == last]

    def _tell(self) -> None:
        """Asks the trainer to stop, as soon as that is wanted, whatever the database does."""
        if self._told_at is None and (self._ledger.cancel or self.stop.is_set()):
            self._told_at = time.monotonic()
            self.trainer.order({"kind": "stop", "folder": self._folder})

    def _go_on(self) -> None:
        moment = time.monotonic()
        self._report_alive()
        if self._ending is not None:
            self._end(self._ending)
        elif self._waiting:
            self._write_down(self._waiting[:LONGEST_BATCH])
        elif self.stop.is_set() and (self.trainer.gone or not self._ledger.began):
            # Whoever stopped the trainer with it meant no harm; or there is nothing yet worth a checkpoint.
            self._end(self._ledger.stopped)
        elif self.trainer.gone:
            self._lose_trainer(self._how_it_ended())
        elif moment - self._heard > SILENCE_SECONDS:
            self._lose_trainer("it was silent for too long")
        elif self._told_at is not None and moment - self._told_at > GRACE_SECONDS:
            self._end(self._ledger.stopped)
        else:
            self._keep(moment)

    def _keep(self, moment: float) -> None:
        if moment - self._renewed > self._heartbeat:
            self._write(lambda session: None)
        elif moment - self._looked > CANCEL_POLL_SECONDS and not self._ledger.cancel:
            self._looked = moment
            with self.database.read() as session:
                self._ledger.cancel = jobs.cancel_requested(session, self.held)

    def _write_down(self, messages: list[Message]) -> None:
        ends = any(message["kind"] in ENDS for message in messages)
        self._write(lambda session: self._ledger.take(session, messages))
        del self._waiting[: len(messages)]
        for message in messages:
            if message["kind"] == "epoch":
                self._counts.epochs += 1
                self._counts.training_rows += message["rows"]
        if ends:
            self._ledger.ended = True
            reach("end-committed", self._folder)
        if self._ledger.replaced:
            reach("checkpoint-committed", self._folder)
            self._remove_replaced()

    def _lose_trainer(self, how: str) -> None:
        self._counts.trainers_lost += 1
        self._end(lambda session: self._ledger.trainer_lost(session, how))

    def _end(self, write: Callable[[Session], None]) -> None:
        # Remembered, so that it is still this that is written once the database is back.
        self._ending = write
        self.trainer.kill()
        self._write(write)
        self._ledger.ended = True

    def _write(self, write: Callable[[Session], None]) -> None:
        """One transaction, which first renews the lease: so it is not begun by somebody who has lost the job."""
        moment = time.monotonic()
        self._ledger.replaced = []
        with self.database.write() as session:
            self._ledger.renew(session)
            write(session)
        self._renewed = moment

    def _remove_replaced(self) -> None:
        for key in self._ledger.replaced:
            try:
                self.blobs.remove(key)
            except (OSError, DropnormError) as error:
                _LOG.warning("an old checkpoint stays until it is swept: %s", error)

    def _be_patient(self, error: DropnormError) -> None:
        moment = time.monotonic()
        if self._away_since is None:
            self._away_since = moment
            _LOG.warning("%s: %s; what is reported meanwhile waits", self.held.job_id, error.detail)
        patience = LEAVE_SECONDS if self.stop.is_set() else AWAY_SECONDS
        if moment - self._away_since > patience:
            raise LostJob(f"{self.held.job_id} is given up: {error.detail}") from error
        time.sleep(WRITE_AGAIN_SECONDS)

    def _how_it_ended(self) -> str:
        status = self.trainer.exit_status()
        return f"it ended with status {status}" + (" (possibly out of memory)" if status == -9 else "")

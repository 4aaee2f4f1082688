"""Watching one attempt: its trainer's reports, its lease, a wish to cancel, and its end."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import StorageFull, Unavailable
from app.storage import jobs, records
from app.storage.blobs import StoredFile
from app.storage.database import Database, Session
from app.storage.jobs import LEASE_SECONDS, Claim, LostJob
from app.worker.channel import Message
from app.worker.process import Trainer

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 5.0
CANCEL_POLL_SECONDS = 0.5
GRACE_SECONDS = 10.0
SILENCE_SECONDS = 600.0
LONGEST_BATCH = 200
RETRY_SECONDS = 1.0
WRITE_AGAIN_SECONDS = 0.5
_LOG = logging.getLogger("dropnorm.worker")


class Watch:
    """One attempt, from its order to its end."""

    def __init__(
        self,
        database: Database,
        held: Claim,
        folder: str,
        trainer: Trainer,
        stop: threading.Event,
        report_alive: Callable[[], None],
    ) -> None:
        self.database, self.held, self.trainer, self.stop = database, held, trainer, stop
        self._folder, self._report_alive = folder, report_alive
        self._asked_to_cancel_at: float | None = None
        self._begun = self._ended = False

    def run(self) -> None:
        """Returns when the job has ended or was handed back. Raises `LostJob` when fenced."""
        renewed = checked = heard = time.monotonic()
        while not self._ended:
            messages = self._messages()
            moment = time.monotonic()
            heard = moment if messages else heard
            if self._record(messages):
                return None
            if self.trainer.gone or moment - heard > SILENCE_SECONDS:
                return self._lost_trainer()
            if self.stop.is_set():
                return self._hand_back()
            if moment - renewed > HEARTBEAT_SECONDS:
                self._write(lambda session: jobs.heartbeat(session, self.held))
                self._report_alive()
                renewed = moment
            if moment - checked > CANCEL_POLL_SECONDS:
                self._look_for_cancel(moment)
                checked = moment
        return None

    def _messages(self) -> list[Message]:
        # A trainer may still say something of an attempt before this one.
        return [message for message in self.trainer.messages(POLL_SECONDS) if message["folder"] == self._folder]

    def _look_for_cancel(self, moment: float) -> None:
        if self._asked_to_cancel_at is None:
            with told("a cancel could not be looked for"), self.database.read() as session:
                if jobs.cancel_requested(session, self.held):
                    self._asked_to_cancel_at = moment
                    self.trainer.order({"kind": "stop", "folder": self._folder})
        elif moment - self._asked_to_cancel_at > GRACE_SECONDS:
            self._end(lambda session: records.cancelled(session, self.held))

    def _record(self, messages: list[Message]) -> bool:
        """Writes down what was reported, many messages in one transaction; answers whether it was the end."""
        for start in range(0, len(messages), LONGEST_BATCH):
            batch = messages[start : start + LONGEST_BATCH]

            def write(session: Session, batch: list[Message] = batch) -> None:
                for message in batch:
                    self._take(session, message)

            self._write(write)
        return any(message["kind"] in ("done", "stopped", "failed") for message in messages)

    def _take(self, session: Session, message: Message) -> None:
        held = self.held
        match message["kind"]:
            case "started":
                records.started(session, held, message["environment"])
                self._begun = True
            case "progress":
                records.progress(session, held, message["progress"])
            case "epoch":
                records.epoch(session, held, message["report"], message["progress"], message["metrics"])
            case "log":
                records.log(session, held, message["message"])
            case "done":
                files = {name: StoredFile(**file) for name, file in message["files"].items()}
                records.succeeded(session, held, message["result"], files)
            case "stopped":
                records.cancelled(session, held)
            case "failed":
                records.failed(session, held, message["code"], message["message"])

    def _lost_trainer(self) -> None:
        status = self.trainer.exit_status() if self.trainer.gone else None
        how = "it was silent for too long" if status is None else f"it ended with status {status}"
        how += " (possibly out of memory)" if status == -9 else ""
        _LOG.warning("the trainer of %s was lost: %s", self.held.job_id, how)

        def write(session: Session) -> None:
            if not self._begun:
                # It never came to the run, which so is not what ended it.
                jobs.release(session, self.held, after_seconds=RETRY_SECONDS)
            elif not jobs.crashed(session, self.held, after_seconds=2.0**self.held.crashes):
                records.failed(session, self.held, "worker_killed", f"the training process was lost three times: {how}")

        self._end(write)

    def _hand_back(self) -> None:
        def write(session: Session) -> None:
            # Somebody may have asked to cancel since the last look; a run handed back would wait to hear of it.
            if jobs.cancel_requested(session, self.held):
                records.cancelled(session, self.held)
            else:
                jobs.release(session, self.held)

        self._end(write)

    def _end(self, write: Callable[[Session], None]) -> None:
        self.trainer.kill()
        self._write(write)
        self._ended = True

    def _write(self, write: Callable[[Session], object]) -> None:
        patiently(self.database, write)


def patiently(database: Database, write: Callable[[Session], object]) -> None:
    """A fenced write, which may be repeated safely. Raises `LostJob` when the database stays away."""
    # Past the lease another worker has the job anyway.
    give_up = time.monotonic() + 0.8 * LEASE_SECONDS
    while True:
        try:
            with database.write() as session:
                write(session)
            return
        except (Unavailable, StorageFull) as error:
            if time.monotonic() > give_up:
                raise LostJob(f"the database was away for too long: {error.detail}") from error
            time.sleep(WRITE_AGAIN_SECONDS)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Logs a database that is away for now instead of ending the worker."""
    try:
        yield
    except (Unavailable, StorageFull, LostJob) as error:
        _LOG.warning("%s: %s", what, error.detail)

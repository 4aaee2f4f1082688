"""What a watch writes down of one attempt: each report, and each of the ways in which an attempt can end."""

import logging
import random

from app.failpoints import reach
from app.storage import checkpoints, jobs, records
from app.storage.blobs import StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Session
from app.storage.jobs import LONGEST_DELAY_SECONDS, Claim
from app.worker.channel import Message
from app.worker.kinds import KINDS

ENDS = ("done", "stopped", "failed")
RETRIED = ("storage_full", "storage_unavailable")
"""What is not the run's own fault, and may be over the next time."""
_LOG = logging.getLogger("dropnorm.worker")


def delay(tries: int) -> float:
    """Seconds to wait before try `tries` + 1: twice as long each time, five minutes at most, never all at once."""
    return min(LONGEST_DELAY_SECONDS, 2.0 ** min(tries, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class Ledger:
    """Writes for the job in `held`, always in a transaction that has just renewed its lease.

    `cancel`: somebody asked for it. `began`: the trainer has come to the run. `replaced`: keys of checkpoints that the
    last transaction made needless. `outcome`: how the attempt ended, in a word.
    """

    def __init__(self, held: Claim) -> None:
        self._held, self._kind = held, KINDS[held.kind]
        self._book = self._kind.book
        self.cancel = self.began = self.ended = False
        self.replaced: list[str] = []
        self.outcome = ""

    def take(self, session: Session, messages: list[Message]) -> None:
        """Writes messages down in their order."""
        for message in messages:
            self._take(session, message)
        named = checkpoints.still_named(session, self.replaced) if self.replaced else set()
        self.replaced = [key for key in self.replaced if key not in named]

    def stopped(self, session: Session) -> None:
        """The trainer has stopped, as it was asked to."""
        self.outcome = "cancelled" if self.cancel else "handed back"
        if self.cancel:
            self._book.cancelled(session, self._held)
        else:
            jobs.release(session, self._held)

    def put_off(self, session: Session) -> None:
        """The run is to be tried again after a while."""
        self.outcome = "cancelled" if self.cancel else "put off"
        if self.cancel:
            self._book.cancelled(session, self._held)
        else:
            jobs.release(session, self._held, after_seconds=delay(self._held.attempt))

    def fail(self, session: Session, code: str, message: str) -> None:
        """The run has failed for good."""
        self.outcome = "cancelled" if self.cancel else "failed"
        if self.cancel:
            self._book.cancelled(session, self._held)
        else:
            self._book.failed(session, self._held, code, message)

    def renew(self, session: Session) -> None:
        """Renews the lease and learns of a wish to cancel. Comes first in every transaction."""
        self.cancel = jobs.heartbeat(session, self._held)

    def trainer_lost(self, session: Session, how: str) -> None:
        """The trainer is gone or was silent for too long; its run is tried again while its budget of crashes lasts."""
        held = self._held
        _LOG.warning("the trainer of %s was lost: %s", held.job_id, how)
        self.outcome = "trainer lost"
        if self.cancel or not self.began:
            # Before it came to the run, that is not what ended it.
            self.put_off(session)
        elif not jobs.crashed(session, held, after_seconds=delay(held.crashes)):
            kind = self._kind
            what = f"{kind.process} was lost {held.max_crashes} times{kind.meanwhile}: {how}"
            self.fail(session, "worker_killed", what)

    def _take(self, session: Session, message: Message) -> None:
        held = self._held
        match message["kind"]:
            case "started":
                self._book.started(session, held, message["environment"])
                self.began = True
            case "progress":
                self._book.progress(session, held, message["progress"])
            case "epoch":
                records.epoch(session, held, message["report"], message["progress"], message["metrics"])
            case "log":
                self._book.log(session, held, message["message"], once=message.get("once", False))
            case "checkpoint":
                self._checkpoint(session, message)
            case _:
                self._end(session, message)

    def _checkpoint(self, session: Session, message: Message) -> None:
        made = Checkpoint(StoredFile(**message["file"]), message["phase"], message["epoch"], message["step"])
        self.replaced += records.checkpoint(session, self._held, made)
        reach("checkpoint-within", made.file.key)

    def _end(self, session: Session, message: Message) -> None:
        held = self._held
        if self.cancel or message["kind"] == "stopped":
            # Whoever asked to cancel was told that it is accepted: that stands, also where training is just done.
            self.stopped(session)
        elif message["kind"] == "done":
            files = {name: StoredFile(**file) for name, file in message["files"].items()}
            self._book.succeeded(session, held, message["result"], files)
            self.outcome = "succeeded"
        elif message["code"] in RETRIED:
            self._book.log(session, held, f"put off: {message['message']}", once=True)
            self.put_off(session)
        else:
            self.fail(session, message["code"], message["message"])
        reach("end-within", held.job_id)

"""What the rows of a run must say after all that was done to it."""

from dataclasses import dataclass, field

from app.storage import checkpoints, events, runs
from app.storage.checkpoints import KEPT
from app.storage.database import Session
from app.storage.jobs import ENDED, Claim
from app.storage.tables import RunRow


@dataclass
class Expected:
    """What the rows of a run must say."""

    job_id: str
    order: int
    priority: int
    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    worker: str | None = None
    over: bool = False
    delayed: bool = False
    asked: bool = False
    began: list[int] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)
    checkpoints: int = 0

    @property
    def free(self) -> bool:
        return self.over or (self.status == "queued" and not self.delayed)

    def leave(self, status: str, *, delayed: bool = False) -> None:
        """Its worker lets go of it."""
        self.status, self.delayed, self.over = status, delayed, False
        self.worker = self.worker if status in ENDED else None

    def check(self, run: RunRow) -> None:
        """The rows of the run and its job."""
        job = run.job
        assert (job.status, job.attempt, job.crashes) == (self.status, self.attempt, self.crashes)
        assert (job.priority, job.worker_id) == (self.priority, self.worker)
        assert (job.cancel_requested_at is not None) == self.asked
        assert (job.finished_at is not None) == (self.status in ENDED)
        assert (run.result is not None) == (self.status == "succeeded")

    def check_reports(self, session: Session, run_id: str) -> None:
        """What was reported stands once, and one end closes it."""
        told = events.after(session, run_id, 0)
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        assert [event.kind for event in told].count("end") == (self.status in ENDED)
        if self.status in ENDED:
            assert (told[-1].kind, told[-1].data["status"]) == ("end", self.status)
        assert [event.data["epoch"] for event in told if event.kind == "epoch"] == list(self.epochs)
        assert [event.attempt for event in told if event.data.get("status") == "running"] == self.began
        assert {row.epoch: row.attempt for row in runs.epochs(session, run_id)} == self.epochs
        kept = range(self.checkpoints, max(0, self.checkpoints - KEPT["training"]), -1)
        assert [row.number for row in checkpoints.of_run(session, run_id)] == list(kept)


class Books:
    """The runs by their ids, and every claim that was ever made."""

    expected: dict[str, Expected]
    claims: list[Claim]

    @property
    def unended(self) -> int:
        return sum(row.status not in ENDED for row in self.expected.values())

    @property
    def good(self) -> list[Claim]:
        return [held for held in self.claims if self.is_good(held)]

    def row(self, held: Claim) -> Expected:
        return next(row for row in self.expected.values() if row.job_id == held.job_id)

    def is_good(self, held: Claim) -> bool:
        row = self.row(held)
        return row.attempt == held.attempt and row.status == "running"

    def hand(self, number: int) -> Claim:
        """One of the claims, three times of four a good one."""
        among = self.good if self.good and number % 4 else self.claims
        return among[number % len(among)]

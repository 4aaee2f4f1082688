"""The queue against a model of it: whatever two workers and a user do, in any order."""

from dataclasses import dataclass
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from app.errors import Conflict
from app.storage import jobs
from app.storage.database import Database
from app.storage.jobs import ENDED, Claim, LostJob
from app.storage.tables import JobRow
from tests.storage.rows import add_job, expire, try_claim

WORKERS = st.sampled_from(["one", "two"])


@dataclass
class Expected:
    """What a job's row must say."""

    status: str = "queued"
    attempt: int = 0
    crashes: int = 0
    worker: str | None = None
    over: bool = False
    asked: bool = False


class Queue(RuleBasedStateMachine):
    """Claims stay in their workers' hands after they were lost, so that late writes are tried too."""

    made = Bundle("made")
    claims = Bundle("claims")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.expected = database, dict[str, Expected]()
        with database.write() as session:
            session.execute(delete(JobRow))

    @rule(target=made)
    def submit(self) -> str:
        job_id = add_job(self.database, created_at=float(len(self.expected)))
        self.expected[job_id] = Expected()
        return job_id

    @rule(target=claims, worker=WORKERS)
    def claim(self, worker: str) -> tuple[Claim, str] | None:
        free = [job_id for job_id, row in self.expected.items() if row.status == "queued" or row.over]
        held = try_claim(self.database, worker)
        assert (held.job_id if held else None) == (free[0] if free else None)
        if held is None:
            return None
        row = self.expected[held.job_id]
        row.crashes += row.status == "running"
        row.status, row.worker, row.over, row.attempt = "running", worker, False, row.attempt + 1
        assert (held.attempt, held.crashes) == (row.attempt, row.crashes)
        return held, worker

    @rule(job_id=made)
    def lease_ends(self, job_id: str) -> None:
        if self.expected[job_id].status == "running":
            expire(self.database, job_id)
            self.expected[job_id].over = True

    @rule(claimed=claims)
    def heartbeat(self, claimed: tuple[Claim, str] | None) -> None:
        row = self._held(claimed)
        try:
            with self.database.write() as session:
                asked = jobs.heartbeat(session, claimed[0]) if claimed else None
        except LostJob:
            assert row is None
        else:
            assert claimed is None or row is not None
            if row is not None:
                assert asked == row.asked
                row.over = False

    @rule(claimed=consumes(claims), status=st.sampled_from(ENDED))
    def finish(self, claimed: tuple[Claim, str] | None, status: str) -> None:
        row = self._held(claimed)
        try:
            with self.database.write() as session:
                if claimed:
                    jobs.finish(session, claimed[0], status)
        except LostJob:
            assert row is None
        else:
            if row is not None:
                row.status, row.over = status, False

    @rule(claimed=claims)
    def release(self, claimed: tuple[Claim, str] | None) -> None:
        row = self._held(claimed)
        try:
            with self.database.write() as session:
                if claimed:
                    jobs.release(session, claimed[0])
        except LostJob:
            assert row is None
        else:
            if row is not None:
                row.status, row.worker, row.over = "queued", None, False

    @rule(job_id=made)
    def cancel(self, job_id: str) -> None:
        row = self.expected[job_id]
        try:
            with self.database.write() as session:
                stored = session.get(JobRow, job_id)
                assert stored is not None
                jobs.cancel(session, stored)
        except Conflict:
            assert row.status in ENDED
        else:
            assert row.status not in ENDED
            row.status, row.asked = "cancelled" if row.status == "queued" else row.status, True

    @invariant()
    def the_rows_are_as_expected(self) -> None:
        with self.database.read() as session:
            stored = {row.id: row for row in session.scalars(select(JobRow))}
        assert stored.keys() == self.expected.keys()
        for job_id, row in self.expected.items():
            found = stored[job_id]
            assert (found.status, found.attempt, found.crashes) == (row.status, row.attempt, row.crashes)
            assert (found.cancel_requested_at is not None) == row.asked
            assert (found.finished_at is not None) == (row.status in ENDED)
            assert found.worker_id == row.worker

    def _held(self, claimed: tuple[Claim, str] | None) -> Expected | None:
        """The job's row while this claim is good."""
        row = self.expected[claimed[0].job_id] if claimed else None
        good = row is not None and claimed is not None and row.attempt == claimed[0].attempt
        return row if good and row is not None and row.status == "running" else None


def test_the_queue_does_what_its_model_does(database: Database) -> None:
    machine = cast(type[RuleBasedStateMachine], lambda: Queue(database))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

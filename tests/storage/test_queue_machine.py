"""The queue of runs against a model of it: whatever two workers and a user do, in any order."""

from collections.abc import Callable
from itertools import count
from typing import TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, text

from app.errors import Conflict
from app.storage import jobs, records, runs
from app.storage.base import Base
from app.storage.blobs import StoredFile
from app.storage.checkpoints import KEPT, Checkpoint
from app.storage.database import Database, Session
from app.storage.jobs import ENDED, Claim, LostJob
from app.storage.tables import RunRow
from tests.storage.queue_model import Books, Expected
from tests.storage.rows import PROJECT, add_run, expire, try_claim

ENDINGS: dict[str, Callable[[Session, Claim], None]] = {
    "succeeded": lambda session, held: records.succeeded(session, held, {}, {}),
    "failed": lambda session, held: records.failed(session, held, "diverged", "it diverged"),
    "cancelled": records.cancelled,
}
WORKERS = st.sampled_from(["one", "two"])
PRIORITIES = st.sampled_from([0, 0, -7, 7])
HANDS = st.integers(0, 11)
DELAYS = st.sampled_from([0.0, 200.0])
MAX_CRASHES = 3
Answer = TypeVar("Answer")


class Queue(RuleBasedStateMachine, Books):
    """Claims stay in their workers' hands after they were lost or ended, so that late writes are tried too."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.files = database, count()
        self.expected, self.claims = dict[str, Expected](), list[Claim]()
        with database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())

    @precondition(lambda self: self.unended < 3)
    @rule(priority=PRIORITIES, crashes=st.sampled_from([0, MAX_CRASHES - 1]))
    def submit(self, priority: int, crashes: int) -> None:
        run_id, order = add_run(self.database, priority=priority), len(self.expected)
        with self.database.write() as session:
            job = runs.get(session, PROJECT, run_id).job
            # Two that come within a tick of the clock would have no order.
            job.created_at, job.crashes = float(order), crashes
            self.expected[run_id] = Expected(job.id, order, priority, crashes=crashes)

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        if self.unended == 0:
            self.submit(0, MAX_CRASHES - 1)
        free = sorted((row for row in self.expected.values() if row.free), key=lambda row: (-row.priority, row.order))
        held = try_claim(self.database, worker)
        assert (held.job_id if held else None) == (free[0].job_id if free else None)
        if held is None:
            return
        row = free[0]
        row.crashes += row.status == "running"
        row.status, row.worker, row.over, row.attempt = "running", worker, False, row.attempt + 1
        assert (held.attempt, held.crashes, held.spent) == (row.attempt, row.crashes, row.crashes >= MAX_CRASHES)
        self.claims.append(held)

    @precondition(lambda self: self.good)
    @rule(number=HANDS)
    def lease_ends(self, number: int) -> None:
        row = self.row(self.hand(number))
        if row.status == "running":
            expire(self.database, row.job_id)
            row.over = True

    @precondition(lambda self: any(row.delayed for row in self.expected.values()))
    @rule()
    def delays_end(self) -> None:
        with self.database.write() as session:
            session.execute(text("UPDATE jobs SET run_after = run_after - 1000"))
        for row in self.expected.values():
            row.delayed = False

    @precondition(lambda self: self.good)
    @rule(number=HANDS)
    def start(self, number: int) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: records.started(session, held, {})):
            row[0].began += [held.attempt] if held.attempt not in row[0].began else []

    @precondition(lambda self: self.claims)
    @rule(number=HANDS)
    def heartbeat(self, number: int) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: jobs.heartbeat(session, held)):
            assert row[1] == row[0].asked
            row[0].over = False

    @precondition(lambda self: self.good)
    @rule(number=HANDS, epoch=st.integers(1, 2))
    def epoch(self, number: int, epoch: int) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: records.epoch(session, held, {"epoch": epoch}, {}, {})):
            row[0].epochs[epoch] = held.attempt

    @precondition(lambda self: self.good)
    @rule(number=HANDS)
    def checkpoint(self, number: int) -> None:
        held = self.hand(number)
        step = next(self.files)
        made = Checkpoint(StoredFile(f"checkpoint-{step}", 7, "0" * 64), "training", 1, step)
        if row := self._written(held, lambda session: records.checkpoint(session, held, made)):
            row[0].checkpoints, row[0].crashes = row[0].checkpoints + 1, 0
            assert len(row[1]) == (row[0].checkpoints > KEPT["training"])

    @precondition(lambda self: self.claims)
    @rule(number=HANDS, status=st.sampled_from(ENDED))
    def finish(self, number: int, status: str) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: ENDINGS[status](session, held)):
            row[0].leave(status)

    @precondition(lambda self: self.good)
    @rule(number=HANDS, seconds=DELAYS)
    def release(self, number: int, seconds: float) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: jobs.release(session, held, after_seconds=seconds)):
            row[0].leave("queued", delayed=seconds > 0)

    @precondition(lambda self: self.good)
    @rule(number=HANDS, seconds=DELAYS)
    def crash(self, number: int, seconds: float) -> None:
        held = self.hand(number)
        if row := self._written(held, lambda session: jobs.crashed(session, held, after_seconds=seconds)):
            assert row[1] == (row[0].crashes + 1 < MAX_CRASHES)
            if row[1]:
                row[0].crashes += 1
                row[0].leave("queued", delayed=seconds > 0)

    @precondition(lambda self: self.unended > 1)
    @rule(number=HANDS)
    def cancel(self, number: int) -> None:
        run_id = list(self.expected)[number % len(self.expected)]
        row = self.expected[run_id]
        try:
            with self.database.write() as session:
                runs.cancel(session, PROJECT, run_id)
        except Conflict:
            assert row.status in ENDED
        else:
            assert row.status not in ENDED
            row.status, row.asked = "cancelled" if row.status == "queued" else row.status, True

    @invariant()
    def the_rows_are_as_expected(self) -> None:
        with self.database.read() as session:
            assert jobs.anything_to_claim(session) == any(row.free for row in self.expected.values())
            stored = {run.id: run for run in session.scalars(select(RunRow))}
            assert stored.keys() == self.expected.keys()
            for run_id, row in self.expected.items():
                row.check(stored[run_id])

    def teardown(self) -> None:
        with self.database.read() as session:
            for run_id, row in self.expected.items():
                row.check_reports(session, run_id)

    def _written(self, held: Claim, write: Callable[[Session], Answer]) -> tuple[Expected, Answer] | None:
        """The run of a good claim and what `write` answers; None for a lost claim, whose write must be refused."""
        row, good = self.row(held), self.is_good(held)
        try:
            with self.database.write() as session:
                answer = write(session)
        except LostJob:
            assert not good
            return None
        assert good
        return row, answer


def test_the_queue_does_what_its_model_does(database: Database) -> None:
    machine = cast(type[RuleBasedStateMachine], lambda: Queue(database))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

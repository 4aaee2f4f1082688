"""The ways in which an attempt can end: with the database away for a moment, cancelled, stopped as a group."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from app.errors import Unavailable
from app.storage import jobs
from app.storage.database import Database, Session
from app.storage.installation import NAME
from app.storage.service_tables import WorkerRow
from app.worker import watch
from app.worker.counts import Counts
from app.worker.orders import order_for
from app.worker.process import Trainer
from app.worker.watch import Watch
from tests.worker.conftest import LONG, flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace


class Flaky(Database):
    """A database that is away for so many of the transactions that are to end a job."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.failures = 0

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            yield session
            status = session.scalar(text("SELECT max(status) FROM jobs WHERE status <> 'running'"))
            if status is not None and self.failures:
                self.failures -= 1
                raise Unavailable("the database is away")


@pytest.mark.parametrize(
    ("ending", "status", "crashes"),
    [("cancelled past the grace", "cancelled", 0), ("silent", "queued", 1), ("stopped before it began", "queued", 0)],
)
def test_an_end_that_cannot_be_written_at_once_is_still_that_end(
    quiet_place: Workplace, monkeypatch: pytest.MonkeyPatch, ending: str, status: str, crashes: int
) -> None:
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.5)
    run_id = quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)
    database, trainer, stop = Flaky(quiet_place.url), Trainer(), threading.Event()
    database.failures = 2
    with database.write() as session:
        held = jobs.claim(session, "test")
        assert held is not None
        order = order_for(session, held, str(quiet_place.data_dir), 1000.0)
    trainer.order({"kind": "order", "order": order.model_dump(mode="json")})
    process = trainer._process.pid
    if ending == "stopped before it began":
        stop.set()
    watched = Watch(database, quiet_place.blobs, held, order.folder, trainer, stop, lambda: None, Counts())
    done = threading.Thread(target=watched.run)
    done.start()
    if ending != "stopped before it began":
        quiet_place.in_the_middle(run_id)
        os.kill(process, signal.SIGSTOP)
    if ending == "silent":
        monkeypatch.setattr(watch, "SILENCE_SECONDS", 0.5)
    if ending == "cancelled past the grace":
        quiet_place.cancel(run_id)
    done.join(60)
    assert not done.is_alive()
    row = quiet_place.run(run_id).job
    assert (row.status, row.crashes, row.error_code) == (status, crashes, None)
    assert database.failures == 0
    assert not trainer.alive
    database.close()


def test_a_group_that_is_asked_to_stop_costs_its_run_no_crash_and_leaves_a_checkpoint(
    quiet_place: Workplace, undisturbed: dict[str, str]
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place, checkpoint_seconds="1000") as worker:
        quiet_place.in_the_middle(run_id)
        os.killpg(worker.process.pid, signal.SIGTERM)
        assert worker.process.wait(30) == 0
    row = quiet_place.run(run_id).job
    assert (row.status, row.attempt, row.crashes) == ("queued", 1, 0)
    with WorkerProcess(quiet_place):
        assert quiet_place.ended(run_id).job.status == "succeeded"
    assert quiet_place.digests(run_id) == undisturbed
    said = [event.data["message"] for event in quiet_place.events(run_id) if event.kind == "log"]
    assert any(line.startswith("goes on from checkpoint-1 of attempt-1") for line in said)


def test_a_run_that_was_lost_once_too_often_is_cancelled_where_that_was_accepted(quiet_place: Workplace) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)
    with quiet_place.database.write() as session:
        assert jobs.claim(session, "lost") is not None
    quiet_place.cancel(run_id)
    with quiet_place.database.write() as session:
        session.execute(text("UPDATE jobs SET crashes = 2, lease_until = lease_until - 1000"))
    with WorkerProcess(quiet_place):
        run = quiet_place.ended(run_id)
    assert (run.job.status, run.job.error_code) == ("cancelled", None)


def test_a_worker_is_seen_while_it_works_on_one_run_for_long(quiet_place: Workplace) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)

    def seen_at() -> float:
        with quiet_place.database.read() as session:
            return session.scalars(select(WorkerRow.seen_at)).one()

    with WorkerProcess(quiet_place) as worker:
        quiet_place.in_the_middle(run_id)
        first = seen_at()
        until(lambda: seen_at() > first or None, 30)
        second = seen_at()
        until(lambda: seen_at() > second or None, 30)
        assert quiet_place.run(run_id).job.status == "running"
        worker.signalled(signal.SIGTERM)


def test_a_worker_whose_disk_is_not_mounted_any_more_claims_nothing(quiet_place: Workplace) -> None:
    dataset = quiet_place.add(flowers())
    with WorkerProcess(quiet_place) as worker:
        assert quiet_place.ended(quiet_place.submit(dataset)).job.status == "succeeded"
        # What a mount point shows when nothing is mounted there: folders, and nothing in them.
        (quiet_place.data_dir / NAME).rename(quiet_place.data_dir / "elsewhere")
        waiting = quiet_place.submit(dataset)
        threading.Event().wait(1.5)
        assert quiet_place.run(waiting).job.attempt == 0
        (quiet_place.data_dir / "elsewhere").rename(quiet_place.data_dir / NAME)
        assert quiet_place.ended(waiting).job.status == "succeeded"
        worker.signalled(signal.SIGTERM)

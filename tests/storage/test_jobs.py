"""The queue: who gets which job, for how long, and whose writes count."""

from collections.abc import Callable

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from app.errors import Conflict
from app.storage import events, jobs, records, runs, workers
from app.storage.blobs import StoredFile
from app.storage.database import Database, Session, now
from app.storage.jobs import LEASE_SECONDS, Claim, LostJob
from app.storage.tables import JobRow
from tests.storage.rows import PROJECT, add_job, add_run, at_once, claim, expire, job, status_of, try_claim

FENCED: dict[str, Callable[[Session, Claim], object]] = {
    "heartbeat": jobs.heartbeat,
    "check_held": jobs.check_held,
    "finish": lambda session, held: jobs.finish(session, held, "succeeded"),
    "release": jobs.release,
    "crashed": lambda session, held: jobs.crashed(session, held, after_seconds=0.0),
    "started": lambda session, held: records.started(session, held, {}),
    "progress": lambda session, held: records.progress(session, held, {"epoch": 1}),
    "epoch": lambda session, held: records.epoch(session, held, {"epoch": 1}, {}, {}),
    "log": lambda session, held: records.log(session, held, "still here"),
    "succeeded": lambda session, held: records.succeeded(session, held, {}, {"a": StoredFile("a", 1, "0" * 64)}),
    "failed": lambda session, held: records.failed(session, held, "internal", "no"),
    "cancelled": records.cancelled,
}
TABLES = ("jobs", "runs", "events", "epochs", "artifacts", "models", "versions")


def everything(database: Database) -> list[object]:
    with database.read() as session:
        return [sorted(map(repr, session.execute(text(f"SELECT * FROM {table}")))) for table in TABLES]


def test_the_highest_priority_goes_first_and_the_oldest_within_it(database: Database) -> None:
    middle = add_job(database, priority=1, created_at=2.0)
    late = add_job(database, priority=0, created_at=1.0)
    first = add_job(database, priority=1, created_at=1.0)
    urgent = add_job(database, priority=9, created_at=3.0)
    assert [claim(database).job_id for _ in range(4)] == [urgent, first, middle, late]
    assert try_claim(database) is None


def test_a_job_is_not_claimed_before_its_time(database: Database) -> None:
    add_job(database)
    with database.write() as session:
        session.execute(text("UPDATE jobs SET run_after = run_after + 250"))
    assert try_claim(database) is None


def test_work_of_a_kind_that_a_worker_does_not_know_is_left_to_a_newer_one(database: Database) -> None:
    job_id = add_job(database, kind="of tomorrow")
    assert try_claim(database) is None
    assert job(database, job_id).status == "queued"


def test_an_idle_worker_sees_whether_a_claim_would_find_a_job(database: Database) -> None:
    def seen() -> bool:
        with database.read() as session:
            return jobs.anything_to_claim(session)

    assert not seen()
    add_job(database)
    assert seen()
    held = claim(database)
    assert not seen()
    expire(database, held.job_id)
    assert seen()


def test_a_claim_is_leased_by_the_databases_clock_and_dates_the_start_once(database: Database) -> None:
    add_job(database)
    held = claim(database, "one")
    row = job(database, held.job_id)
    with database.read() as session:
        moment = session.scalar(select(now()))
    assert moment is not None
    assert row.lease_until is not None
    assert row.started_at is not None
    assert (row.status, row.worker_id, row.attempt, row.crashes) == ("running", "one", 1, 0)
    assert 0 <= moment + LEASE_SECONDS - row.lease_until < 5
    expire(database, held.job_id)
    claim(database, "two")
    assert job(database, held.job_id).started_at == row.started_at


def test_a_lease_that_ran_out_is_claimed_again_as_another_attempt_and_one_more_crash(database: Database) -> None:
    add_job(database)
    held = claim(database, "one")
    assert try_claim(database, "two") is None
    expire(database, held.job_id)
    taken = claim(database, "two")
    assert (taken.job_id, taken.attempt, taken.crashes) == (held.job_id, 2, 1)


def test_leases_that_ran_out_spend_the_budget_of_crashes_too(database: Database) -> None:
    job_id = add_job(database)
    spent = [claim(database).spent]
    for _ in range(3):
        expire(database, job_id)
        spent.append(claim(database).spent)
    assert spent == [False, False, False, True]


def test_a_heartbeat_renews_the_lease_and_keeps_the_job_from_others(database: Database) -> None:
    add_job(database)
    held = claim(database)
    expire(database, held.job_id)
    with database.write() as session:
        assert jobs.heartbeat(session, held) is False
    assert try_claim(database) is None


@pytest.mark.parametrize("name", FENCED)
def test_no_write_of_an_older_attempt_changes_anything(database: Database, name: str) -> None:
    add_run(database)
    old = claim(database, "one")
    expire(database, old.job_id)
    claim(database, "two")
    before = everything(database)
    with pytest.raises(LostJob), database.write() as session:
        FENCED[name](session, old)
    assert everything(database) == before


@pytest.mark.parametrize("name", FENCED)
def test_no_write_behind_the_end_changes_anything(database: Database, name: str) -> None:
    add_run(database)
    held = claim(database)
    with database.write() as session:
        jobs.finish(session, held, "failed", "internal", "no")
    before = everything(database)
    with pytest.raises(LostJob), database.write() as session:
        FENCED[name](session, held)
    assert everything(database) == before


def test_a_job_handed_back_keeps_its_crashes_and_waits_as_long_as_asked(database: Database) -> None:
    add_job(database, crashes=2)
    held = claim(database)
    with database.write() as session:
        jobs.release(session, held)
    row = job(database, held.job_id)
    assert (row.status, row.crashes, row.worker_id, row.lease_until) == ("queued", 2, None, None)
    again = claim(database)
    assert (again.attempt, again.crashes) == (2, 2)
    with database.write() as session:
        jobs.release(session, again, after_seconds=200)
    assert try_claim(database) is None


def test_the_budget_of_crashes_is_three(database: Database) -> None:
    job_id = add_job(database)
    for crashes in (1, 2):
        held = claim(database)
        with database.write() as session:
            assert jobs.crashed(session, held, after_seconds=0.0)
        assert (job(database, job_id).status, job(database, job_id).crashes) == ("queued", crashes)
    held = claim(database)
    with database.write() as session:
        assert not jobs.crashed(session, held, after_seconds=0.0)
        jobs.heartbeat(session, held)


def test_a_queued_job_is_cancelled_at_once(database: Database) -> None:
    run_id = add_run(database)
    with database.write() as session:
        row = runs.cancel(session, PROJECT, run_id).job
        assert (row.status, row.finished_at is not None) == ("cancelled", True)
    assert try_claim(database) is None


def test_a_running_job_is_asked_to_stop_and_learns_of_it_from_its_heartbeat(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    asked = []
    for _ in range(2):
        with database.write() as session:
            asked.append(runs.cancel(session, PROJECT, run_id).job.cancel_requested_at)
    assert asked[0] == asked[1]
    with database.write() as session:
        assert jobs.cancel_requested(session, held)
        assert jobs.heartbeat(session, held) is True
    assert status_of(database, run_id) == "running"


@pytest.mark.parametrize("status", jobs.ENDED)
def test_what_has_ended_cannot_be_cancelled(database: Database, status: str) -> None:
    run_id = add_run(database)
    with database.write() as session:
        held = jobs.claim(session, "worker")
        assert held is not None
        jobs.finish(session, held, status, "diverged" if status == "failed" else None)
    with pytest.raises(Conflict, match=f"already {status}"), database.write() as session:
        runs.cancel(session, PROJECT, run_id)
    assert status_of(database, run_id) == status


def test_of_finish_and_cancel_the_first_commit_wins(database: Database) -> None:
    for _ in range(10):
        run_id = add_run(database)
        held = claim(database)

        def work(number: int, run_id: str = run_id, held: Claim = held) -> str:
            try:
                with database.write() as session:
                    if number:
                        runs.cancel(session, PROJECT, run_id)
                    else:
                        records.succeeded(session, held, {}, {})
            except Conflict:
                return "refused"
            return "done"

        finished, cancelled = at_once(2, work)
        # A running job is only asked to stop, so the result stands either way; a cancel that came late is told.
        assert finished == "done"
        assert status_of(database, run_id) == "succeeded"
        assert (job(database, held.job_id).cancel_requested_at is None) == (cancelled == "refused")


def test_of_claim_and_cancel_the_first_commit_wins(database: Database) -> None:
    for _ in range(10):
        run_id = add_run(database)

        def work(number: int, run_id: str = run_id) -> Claim | None:
            if number:
                with database.write() as session:
                    runs.cancel(session, PROJECT, run_id)
                return None
            return try_claim(database)

        held, _ = at_once(2, work)
        row = job(database, held.job_id) if held else None
        assert status_of(database, run_id) == ("running" if held else "cancelled")
        assert row is None or row.cancel_requested_at is not None
        if held:
            with database.write() as session:
                jobs.finish(session, held, "cancelled")


def test_a_cancel_is_one_guarded_statement_so_nothing_can_come_between(database: Database) -> None:
    run_id = add_run(database)
    claim(database)
    statements: list[str] = []

    def note(*given: object) -> None:
        statements.append(str(given[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.write() as session:
        runs.cancel(session, PROJECT, run_id)
    event.remove(database.engine, "before_cursor_execute", note)
    assert sum(statement.startswith("UPDATE jobs") for statement in statements) == 1


def test_a_run_handed_back_while_it_is_being_cancelled_still_ends_its_event_stream(
    postgresql_database: Database,
) -> None:
    database = postgresql_database
    run_id = add_run(database)
    held = claim(database)
    with database.write() as session:
        read_before = runs.get(session, PROJECT, run_id)
        assert read_before.job.status == "running"
        with database.write() as other:
            jobs.release(other, held)
        assert runs.cancel(session, PROJECT, run_id).job.status == "cancelled"
    with database.read() as session:
        kinds = [(row.kind, row.data["status"]) for row in events.after(session, run_id, 0)]
    assert kinds[-2:] == [("status", "cancelled"), ("end", "cancelled")]


def test_eight_workers_never_get_the_same_job(database: Database) -> None:
    made = {add_job(database) for _ in range(24)}

    def work(number: int) -> list[str]:
        mine = []
        while (held := try_claim(database, f"worker-{number}")) is not None:
            mine.append(held.job_id)
        return mine

    taken = [job_id for mine in at_once(8, work) for job_id in mine]
    assert len(taken) == len(made)
    assert set(taken) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "paused"},
        {"status": "running"},
        {"status": "running", "worker_id": "one"},
        {"status": "running", "lease_until": 1.0},
        {"status": "succeeded"},
        {"status": "failed"},
        {"status": "cancelled"},
        {"attempt": -1},
        {"crashes": -1},
        {"run_after": None},
    ],
    ids=str,
)
def test_the_database_itself_refuses_a_job_that_makes_no_sense(database: Database, changes: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        add_job(database, **changes)
    with database.read() as session:
        assert session.scalar(select(JobRow.id)) is None


def test_a_worker_is_seen_lately_or_not(database: Database) -> None:
    def seen() -> bool:
        with database.read() as session:
            return workers.seen_within(session, 15)

    assert not seen()
    for _ in range(2):
        with database.write() as session:
            workers.seen(session, "one", PROJECT)
    assert seen()
    with database.write() as session:
        session.execute(text("UPDATE workers SET seen_at = seen_at - 60"))
    assert not seen()

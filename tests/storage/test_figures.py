"""Figures of queue and workers: what they count, and that they stay quick with a hundred thousand ended runs."""

import time

from sqlalchemy import text

from app.storage import figures, jobs, records, workers
from app.storage.database import Database
from app.storage.figures import Figures, WorkerFigures
from tests.storage.rows import PROJECT, add_run

MANY = 100_000
COPIES = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :many)
INSERT INTO jobs
(id, project, kind, status, priority, attempt, crashes, max_crashes, run_after, created_at, finished_at)
SELECT 'job_' || n, 'default', 'run', 'succeeded', 0, 1, 0, 3, 1.0, 1.0, 2.0 FROM numbers
"""


def read(database: Database) -> Figures:
    with database.read() as session:
        return figures.read(session)


def test_an_empty_service_has_figures_of_nothing(database: Database) -> None:
    assert read(database) == Figures(
        {"queued": 0, "running": 0}, dict.fromkeys(figures.STATUSES, 0), 0.0, 0.0, (), 0
    )  # fmt: skip


def test_runs_are_counted_by_their_status(database: Database) -> None:
    for _ in range(4):
        add_run(database)
    with database.write() as session:
        held = [jobs.claim(session, "one") for _ in range(3)]
        assert held[0] is not None
        assert held[1] is not None
        records.failed(session, held[0], "diverged", "it diverged")
        records.cancelled(session, held[1])
    found = read(database)
    assert found.jobs == {"queued": 1, "running": 1}
    assert found.runs == {"queued": 1, "running": 1, "succeeded": 0, "failed": 1, "cancelled": 1}


def test_what_waits_longest_is_told_and_what_is_put_off_does_not_wait(database: Database) -> None:
    add_run(database)
    with database.write() as session:
        session.execute(text("UPDATE jobs SET run_after = run_after - 90, created_at = created_at - 5000"))
    assert 90 <= read(database).oldest_seconds < 120
    with database.write() as session:
        held = jobs.claim(session, "one")
        assert held is not None
        jobs.release(session, held, after_seconds=60)
    assert read(database).oldest_seconds == 0.0


def test_the_speed_is_the_sum_over_runs_that_are_held(database: Database) -> None:
    for speed in (1000.5, 200.0, None):
        add_run(database)
        with database.write() as session:
            held = jobs.claim(session, "one")
            assert held is not None
            records.progress(session, held, {"epoch": 1, "rows_per_second": speed})
    assert read(database).rows_per_second == 1200.5
    with database.write() as session:
        session.execute(text("UPDATE jobs SET lease_until = lease_until - 1000"))
    assert read(database).rows_per_second == 0.0


def test_workers_tell_what_they_have_done_until_they_are_long_gone(database: Database) -> None:
    with database.write() as session:
        workers.seen(session, "old", PROJECT, {"epochs": 1})
        session.execute(text("UPDATE workers SET seen_at = seen_at - 601"))
        workers.seen(session, "silent", PROJECT, {"leases_lost": 2, "trainers_lost": 1})
        session.execute(text("UPDATE workers SET seen_at = seen_at - 31 WHERE id = 'silent'"))
        for epochs in (3, 4):
            workers.seen(session, "busy", PROJECT, {"epochs": epochs, "training_rows": 5_000_000_000})
    found = read(database)
    assert found.workers == (
        WorkerFigures("busy", 4, 5_000_000_000, 0, 0),
        WorkerFigures("silent", 0, 0, 2, 1),
    )
    assert found.workers_seen == 1


def test_a_claim_says_whether_it_was_taken_from_another(database: Database) -> None:
    add_run(database)
    taken = []
    for _ in range(2):
        with database.write() as session:
            held = jobs.claim(session, "one")
            assert held is not None
            taken.append(held.taken_over)
            session.execute(text("UPDATE jobs SET lease_until = lease_until - 1000"))
    assert taken == [False, True]
    with database.write() as session:
        held = jobs.claim(session, "two")
        assert held is not None
        jobs.release(session, held)
        again = jobs.claim(session, "two")
        # It has crashes behind it, but was handed back.
        assert again is not None
        assert (again.crashes, again.taken_over) == (2, False)


def test_a_hundred_thousand_ended_runs_cost_a_scrape_little(database: Database) -> None:
    add_run(database)
    with database.write() as session:
        session.execute(text(COPIES), {"many": MANY})
    read(database)
    began = time.perf_counter()
    found = read(database)
    assert time.perf_counter() - began < 0.5
    assert found.runs == {"queued": 1, "running": 0, "succeeded": MANY, "failed": 0, "cancelled": 0}

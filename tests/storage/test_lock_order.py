"""Cancels, deletions, resumptions and a worker's writes at once: none is ever ended as the victim of a deadlock."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.errors import Conflict, NotFound
from app.storage import jobs, records, runs
from app.storage.database import Database, Session
from tests.storage.rows import PROJECT, add_run, at_once, claim

ROUNDS = 6
Move = Callable[[Session], object]


def attempt(database: Database, move: Move) -> str:
    """How a move ended; raises `Unavailable` where the database ended it."""
    try:
        with database.write() as session:
            move(session)
    except (Conflict, NotFound, jobs.LostJob) as error:
        return error.code
    return "done"


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
def test_deletions_cancels_and_a_workers_writes_at_once_never_wait_for_one_another(
    database: Database, *, ends: bool
) -> None:
    for _ in range(ROUNDS):
        run_id = add_run(database)
        held = claim(database)
        with database.write() as session:
            records.started(session, held, {})
        moves: list[Move] = [
            lambda session, run=run_id: runs.remove(session, PROJECT, run),  # type: ignore[misc]
            lambda session, run=run_id: runs.cancel(session, PROJECT, run),  # type: ignore[misc]
            lambda session, held=held: records.progress(session, held, {"epoch": 1}),  # type: ignore[misc]
            lambda session, held=held: records.log(session, held, "still here"),  # type: ignore[misc]
        ]
        if ends:
            moves[3] = lambda session, held=held: records.cancelled(session, held)  # type: ignore[misc]

        def work(number: int, moves: list[Move] = moves) -> list[str]:
            return [attempt(database, moves[number % 4]) for _ in range(4)]

        said = {code for codes in at_once(8, work) for code in codes}
        # Each was done or refused for what the run was: nobody was chosen as a deadlock's victim.
        assert said <= {"done", "run_not_ended", "run_not_found", "already_ended", "job_lost"}
        assert "done" in said


def test_a_deletion_that_waits_for_a_worker_holds_nothing_that_the_worker_needs(postgresql_database: Database) -> None:
    database = postgresql_database
    run_id = add_run(database)
    held = claim(database)

    def work(number: int) -> str:
        if number:
            return attempt(database, lambda session: runs.remove(session, PROJECT, run_id))
        with database.write() as session:
            jobs.check_held(session, held)
            # Long enough for the deletion to begin, which then waits for the job.
            session.execute(text("SELECT pg_sleep(1)"))
            runs.of_job(session, held.job_id).progress = {"epoch": 1}
        return "written"

    assert at_once(2, work) == ["written", "run_not_ended"]


def test_of_a_cancel_and_the_deletion_of_an_ended_run_both_are_told_what_is(database: Database) -> None:
    for _ in range(ROUNDS):
        run_id = add_run(database)
        with database.write() as session:
            runs.cancel(session, PROJECT, run_id)
        moves: list[Move] = [
            lambda session, run=run_id: runs.remove(session, PROJECT, run),  # type: ignore[misc]
            lambda session, run=run_id: runs.cancel(session, PROJECT, run),  # type: ignore[misc]
        ]

        def work(number: int, moves: list[Move] = moves) -> str:
            return attempt(database, moves[number])

        assert at_once(2, work) in (["done", "already_ended"], ["done", "run_not_found"])

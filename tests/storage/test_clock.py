"""The database's clock jumps: every job is reached within the bound, a living worker keeps its own, nothing ends twice.

A clock put back by an hour leaves every time an hour ahead, and one put forward leaves it an hour behind: so the rows
are moved here instead of the clock.
"""

import pytest
from sqlalchemy import text

from app.storage import events, jobs, records, workers
from app.storage.database import Database
from app.storage.jobs import LONGEST_DELAY_SECONDS, Claim, LostJob
from tests.storage.rows import PROJECT, add_run, claim, expire, job, status_of, try_claim

HOUR, DAY = 3_600.0, 86_400.0
BOUND_SECONDS = 2 * LONGEST_DELAY_SECONDS
JUMPS = (-DAY, -HOUR, -BOUND_SECONDS, -60.0, 60.0, 400.0, BOUND_SECONDS, BOUND_SECONDS + 60, HOUR, DAY)
TIMES = ("run_after", "lease_until", "cancel_requested_at", "created_at", "started_at", "finished_at")


def move(database: Database, seconds: float) -> None:
    """Moves every time ahead, as a clock does that is put back by `seconds`; negative: as one that is put forward."""
    moved = ", ".join(f"{name} = {name} + {seconds}" for name in TIMES)
    with database.write() as session:
        session.execute(text(f"UPDATE jobs SET {moved}"))
        session.execute(text(f"UPDATE workers SET seen_at = seen_at + {seconds}"))


def one_of_each(database: Database) -> tuple[dict[str, str], dict[str, Claim]]:
    """Runs that are queued, put off, running and lost: their ids, and the claims of the last three."""
    made, held = {}, {}
    for name in ("delayed", "running", "lost", "queued"):
        made[name] = add_run(database)
        if name != "queued":
            held[name] = claim(database, name)
            assert status_of(database, made[name]) == "running"
    with database.write() as session:
        jobs.release(session, held["delayed"], after_seconds=LONGEST_DELAY_SECONDS)
    expire(database, held["lost"].job_id)
    return made, held


def claim_all(database: Database) -> list[Claim]:
    """Everything that can be claimed now."""
    found = []
    while (held := try_claim(database, "another")) is not None:
        found.append(held)
    return found


def finish(database: Database, held: Claim) -> bool:
    """Whether this attempt could end its run."""
    try:
        with database.write() as session:
            records.failed(session, held, "internal", "no")
    except LostJob:
        return False
    return True


def ends(database: Database, run_id: str) -> int:
    with database.read() as session:
        return sum(event.kind == "end" for event in events.after(session, run_id, 0))


@pytest.mark.parametrize("seconds", JUMPS)
def test_no_run_waits_longer_than_the_bound_and_none_ends_twice(database: Database, seconds: float) -> None:
    made, held = one_of_each(database)
    move(database, seconds)
    at_once = claim_all(database)
    assert all(finish(database, one) for one in at_once)
    move(database, -(BOUND_SECONDS + 1))
    later = claim_all(database)
    assert all(finish(database, one) for one in later)
    assert len(at_once) + len(later) == len(made)
    assert not any(finish(database, one) for one in [*held.values(), *at_once, *later])
    for run_id in made.values():
        assert (status_of(database, run_id), ends(database, run_id)) == ("failed", 1)


@pytest.mark.parametrize("seconds", [-DAY, -HOUR, HOUR, DAY])
def test_after_a_great_jump_everything_can_be_claimed_at_once(database: Database, seconds: float) -> None:
    made, _ = one_of_each(database)
    move(database, seconds)
    assert len(claim_all(database)) == len(made)


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_living_worker_keeps_its_run_if_it_renews_before_anybody_claims(database: Database, seconds: float) -> None:
    run_id = add_run(database)
    held = claim(database)
    move(database, seconds)
    with database.write() as session:
        assert jobs.heartbeat(session, held) is False
    assert try_claim(database, "another") is None
    assert job(database, held.job_id).crashes == 0
    assert finish(database, held)
    assert ends(database, run_id) == 1


@pytest.mark.parametrize("seconds", [-DAY, -HOUR, HOUR, DAY])
def test_a_living_worker_that_renews_too_late_has_lost_its_run_to_the_other(database: Database, seconds: float) -> None:
    run_id = add_run(database)
    held = claim(database, "one")
    move(database, seconds)
    other = claim(database, "another")
    assert (other.job_id, other.attempt, other.crashes) == (held.job_id, 2, 1)
    with pytest.raises(LostJob), database.write() as session:
        jobs.heartbeat(session, held)
    assert [finish(database, one) for one in (held, other, held, other)] == [False, True, False, False]
    assert ends(database, run_id) == 1


@pytest.mark.parametrize("seconds", [-DAY, -HOUR, HOUR, DAY])
def test_a_worker_seen_before_the_jump_counts_as_seen_only_once_it_is_seen_again(
    database: Database, seconds: float
) -> None:
    for expected in (False, True):
        with database.write() as session:
            workers.seen(session, "one", PROJECT)
        if not expected:
            move(database, seconds)
        with database.read() as session:
            assert workers.seen_within(session, 30) is expected

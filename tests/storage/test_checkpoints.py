"""Which states of a run are recorded, whatever is told twice, and which files no row needs any more."""

from collections.abc import Iterable
from typing import Literal

import pytest

from app.storage import checkpoints, jobs, records, runs
from app.storage.blobs import StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database
from app.storage.jobs import Claim
from tests.storage.rows import PROJECT, add_run, claim

Phase = Literal["training", "statistics"]


def made(held: Claim, number: int, epoch: int, step: int, phase: Phase = "training") -> Checkpoint:
    file = StoredFile(f"attempt-{held.attempt}/checkpoint-{number}", 7, "0" * 64)
    return Checkpoint(file, phase, epoch, step)


def report(database: Database, held: Claim, batch: Iterable[Checkpoint]) -> set[str]:
    """Records a batch in one transaction, as a worker does; answers the keys whose files it would remove."""
    with database.write() as session:
        replaced = [key for one in batch for key in records.checkpoint(session, held, one)]
        return set(replaced) - checkpoints.still_named(session, replaced)


def named(database: Database, run_id: str) -> list[str]:
    with database.read() as session:
        return [row.key for row in checkpoints.of_run(session, run_id)]


def again(database: Database, held: Claim) -> Claim:
    """The next attempt of the job."""
    with database.write() as session:
        jobs.release(session, held)
    return claim(database)


def batch_of(held: Claim, phase: Phase) -> list[Checkpoint]:
    epoch = 9 if phase == "statistics" else 1
    return [made(held, number, epoch, step, phase) for number, step in ((1, 3), (2, 5), (3, 8))]


@pytest.mark.parametrize("phase", ["training", "statistics"])
def test_a_batch_of_which_nobody_learned_that_it_was_committed_may_be_told_again(
    database: Database, phase: Phase
) -> None:
    run_id = add_run(database)
    held = claim(database)
    batch = batch_of(held, phase)
    removed = report(database, held, batch)
    before = named(database, run_id)
    assert before[0] == "attempt-1/checkpoint-3"
    assert removed == {one.file.key for one in batch} - set(before)
    for _ in range(3):
        assert report(database, held, batch) == set()
        assert named(database, run_id) == before


def test_a_batch_over_the_end_of_training_may_be_told_again_with_more_behind_it(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    batch = [made(held, number, 1, number) for number in (1, 2, 3)]
    batch += [made(held, number, 2, number, "statistics") for number in (4, 5)]
    report(database, held, batch)
    kept = ["attempt-1/checkpoint-5", "attempt-1/checkpoint-3", "attempt-1/checkpoint-2"]
    assert named(database, run_id) == kept
    # A batch that is told again ends with what was reported since.
    more = made(held, 6, 2, 6, "statistics")
    assert report(database, held, [*batch, more]) == {"attempt-1/checkpoint-5"}
    assert named(database, run_id) == ["attempt-1/checkpoint-6", *kept[1:]]


def test_statistics_are_behind_all_of_training_whatever_their_step(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    report(database, held, [made(held, 1, 7, 40), made(held, 2, 7, 1, "statistics")])
    assert report(database, held, [made(held, 3, 7, 50)]) == set()
    assert named(database, run_id) == ["attempt-1/checkpoint-2", "attempt-1/checkpoint-1"]


def test_a_later_attempt_that_fell_back_is_gone_on_from_and_may_repeat_itself_too(database: Database) -> None:
    run_id = add_run(database)
    first = claim(database)
    report(database, first, [made(first, 1, 4, 0), made(first, 2, 5, 0)])
    second = again(database, first)
    # It began at the older one, and comes by the very place of the newer one.
    batch = [made(second, 1, 4, 7), made(second, 2, 5, 0)]
    for removed in ({"attempt-1/checkpoint-1", "attempt-1/checkpoint-2"}, set()):
        assert report(database, second, batch) == removed
        assert named(database, run_id) == ["attempt-2/checkpoint-2", "attempt-2/checkpoint-1"]


def test_a_later_attempt_that_fell_back_from_the_statistics_is_gone_on_from(database: Database) -> None:
    run_id = add_run(database)
    first = claim(database)
    report(database, first, [made(first, 1, 9, 0), made(first, 2, 9, 3, "statistics")])
    second = again(database, first)
    report(database, second, [made(second, 1, 8, 2)])
    assert named(database, run_id)[0] == "attempt-2/checkpoint-1"


def test_a_key_that_a_row_names_is_told_apart_from_one_that_is_replaced(database: Database) -> None:
    add_run(database)
    held = claim(database)
    report(database, held, [made(held, number, 1, number) for number in (1, 2, 3)])
    with database.read() as session:
        keys = [f"attempt-1/checkpoint-{number}" for number in (1, 2, 3)]
        assert checkpoints.still_named(session, keys) == set(keys[1:])
        assert checkpoints.still_named(session, []) == set()


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled", "cancelled while it was queued"])
def test_an_ended_run_keeps_the_states_of_training_and_none_of_the_statistics(database: Database, end: str) -> None:
    other, run_id = add_run(database), add_run(database)
    for held in (claim(database), claim(database)):
        report(database, held, [*batch_of(held, "training"), made(held, 4, 9, 1, "statistics")])
    with database.write() as session:
        if end == "succeeded":
            records.succeeded(session, held, {}, {})
        elif end == "failed":
            records.failed(session, held, "diverged", "it diverged")
        elif end == "cancelled":
            records.cancelled(session, held)
        else:
            jobs.release(session, held)
            runs.cancel(session, PROJECT, run_id)
    assert named(database, run_id) == ["attempt-1/checkpoint-3", "attempt-1/checkpoint-2"]
    assert "attempt-1/checkpoint-4" in named(database, other)

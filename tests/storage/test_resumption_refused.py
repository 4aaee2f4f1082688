"""A run that cannot be gone on with leaves nothing of what was tried: no row, no file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import Conflict, DropnormError, NotFound, QuotaExceeded, StorageFull, Unavailable
from app.storage import checkpoints, quotas, records, resumption
from app.storage.blobs import Blobs
from app.storage.database import Database, Session
from app.storage.quotas import Quota
from tests.storage.resumable import (
    cancelled,
    count,
    delete,
    files,
    flip_a_bit,
    found,
    go_on,
    inherited_state,
    train,
    wanted,
)
from tests.storage.rows import PROJECT, add_run, claim


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def test_where_no_checkpoint_can_be_read_nothing_is_made(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 0))
    flip_a_bit(blobs, old, 1)
    flip_a_bit(blobs, old, 2)
    with pytest.raises(Conflict, match="none of the run's checkpoints can be read: 2 are damaged") as caught:
        go_on(database, blobs, old)
    assert caught.value.code == "no_checkpoint"
    assert (count(database), files(blobs)) == (1, [])


def test_a_state_of_the_statistics_is_none_to_train_on_from(database: Database, blobs: Blobs) -> None:
    run_id = add_run(database)
    held = claim(database)
    train(database, blobs, held, (6, 1), phase="statistics")
    with database.write() as session:
        records.cancelled(session, held)
    with pytest.raises(Conflict) as caught:
        found(database, run_id)
    assert caught.value.code == "no_checkpoint"


def test_a_run_that_has_not_ended_is_not_gone_on_with(database: Database, blobs: Blobs) -> None:
    run_id = add_run(database)
    for status in ("queued", "running"):
        with pytest.raises(Conflict, match=f"the run is {status}") as caught:
            found(database, run_id)
        assert caught.value.code == "run_not_ended"
        if status == "queued":
            train(database, blobs, claim(database), (5, 0))
    with pytest.raises(NotFound):
        found(database, "run_unknown")


@contextmanager
def refused(blobs: Blobs, kind: type[DropnormError]) -> Iterator[None]:
    with pytest.raises(kind):
        yield
    assert files(blobs) == []


def test_what_is_refused_leaves_no_copy(database: Database, blobs: Blobs) -> None:
    source = found(database, cancelled(database, blobs, (5, 0)))
    none_more = Quota(unfinished_runs=0)
    with (
        refused(blobs, QuotaExceeded),
        resumption.inherited(blobs, source),
        database.write() as session,
    ):
        quotas.admit_job(session, PROJECT, none_more)
    tight = Quota(unfinished_runs=5, stored_bytes=50)
    with refused(blobs, StorageFull), resumption.inherited(blobs, source) as state, database.write() as session:
        resumption.record(session, PROJECT, state, wanted(source))
        quotas.check_stored(session, PROJECT, tight)
    # Another request with the same key was first: nothing is recorded for this one.
    with resumption.inherited(blobs, source):
        assert len(files(blobs)) == 2
    assert (count(database), files(blobs)) == (1, [])


def test_a_copy_stays_where_nobody_knows_whether_its_rows_were_committed(database: Database, blobs: Blobs) -> None:
    source = found(database, cancelled(database, blobs, (5, 0)))
    with pytest.raises(Unavailable), resumption.inherited(blobs, source) as state, unheard(database) as session:
        resumption.record(session, PROJECT, state, wanted(source))
    blobs.check(checkpoints.file_of(inherited_state(database, state.run_id)))


@contextmanager
def unheard(database: Database) -> Iterator[Session]:
    """A transaction whose connection breaks between the commit and its answer."""
    with database.write() as session:
        yield session
    raise Unavailable("the database does not answer")


def test_an_old_run_that_is_deleted_on_the_way_is_gone_and_nothing_is_half_made(
    database: Database, blobs: Blobs
) -> None:
    first, second = (found(database, cancelled(database, blobs, (5, 0))) for _ in range(2))
    with refused(blobs, NotFound), resumption.inherited(blobs, first) as state:
        delete(database, blobs, first.run.id)
        with database.write() as session:
            resumption.record(session, PROJECT, state, wanted(first))
    delete(database, blobs, second.run.id)
    with refused(blobs, Conflict), resumption.inherited(blobs, second):
        pass
    assert count(database) == 0

"""A run that has ended goes on as a new one: with a checkpoint of its own, or not at all."""

import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from app.domain.plan.settings import EarlyStopping, TrainingSettings
from app.errors import Conflict, Damaged, DropnormError, NotFound, QuotaExceeded, StorageFull, Unavailable
from app.storage import checkpoints, copies, events, quotas, records, resumption, runs
from app.storage.base import Base
from app.storage.blobs import Blobs, StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database, Session
from app.storage.jobs import Claim
from app.storage.quotas import Quota
from app.storage.resumption import Source
from app.storage.runs import Submission
from app.storage.tables import CheckpointRow, RunRow
from tests.storage.rows import PROJECT, add_run, claim, submission

Json = dict[str, Any]
LOSSES = (0.9, 0.5, 0.7, 0.6, 0.4)
"""Of each epoch: the best of the first four is the second."""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def report(epoch: int) -> Json:
    measured = {"loss": LOSSES[epoch - 1], "accuracy": 1 - LOSSES[epoch - 1]}
    parts = {"train": measured, "train_eval": measured, "validation": measured}
    return {"epoch": epoch, "learning_rate": 0.1, "seconds": 1.0, "rows_per_second": 50.0 + epoch, **parts}


def measured(epoch: int) -> Json:
    return {name: report(epoch)[name] for name in ("epoch", "train", "train_eval", "validation")}


def train(database: Database, blobs: Blobs, held: Claim, *places: tuple[int, int], phase: Any = "training") -> None:
    """Reports every epoch, and writes checkpoints after the given steps of the given epochs."""
    with database.write() as session:
        run_id = runs.of_job(session, held.job_id).id
        records.started(session, held, {"python": "3.11"})
        best = min(range(1, len(LOSSES) + 1), key=lambda epoch: LOSSES[epoch - 1])
        for epoch in range(1, len(LOSSES) + 1):
            metrics = {"last": measured(epoch), "best": measured(best)}
            records.epoch(session, held, report(epoch), {"epoch": epoch}, metrics)
        for number, (epoch, step) in enumerate(places, 1):
            key = f"runs/{run_id}/attempt-{held.attempt}/checkpoint-{number}.safetensors"
            file = blobs.write(key, f"state {number} of {run_id}".encode())
            records.checkpoint(session, held, Checkpoint(file, phase, epoch, step))


def cancelled(database: Database, blobs: Blobs, *places: tuple[int, int], **changes: Any) -> str:
    """A run with five epochs and these checkpoints, cancelled while it was running; answers its id."""
    run_id = add_run(database, training=TrainingSettings(seed=7, epochs=9), **changes)
    held = claim(database)
    train(database, blobs, held, *places)
    with database.write() as session:
        records.cancelled(session, held)
    return run_id


def found(database: Database, run_id: str) -> Source:
    with database.read() as session:
        return resumption.find(session, PROJECT, run_id)


def wanted(source: Source, **changes: Any) -> Submission:
    return submission(source.run.dataset_id, training=runs.training_of(source.run), **changes)


def go_on(database: Database, blobs: Blobs, run_id: str, *, new_horizon: bool = False) -> RunRow:
    """What a POST does."""
    source = found(database, run_id)
    with resumption.inherited(blobs, source) as state, database.write() as session:
        return resumption.record(session, PROJECT, state, wanted(source), new_horizon=new_horizon)


def rows_of(database: Database, run_id: str) -> dict[str, list[Json]]:
    """Everything that is recorded of a run, its job included."""
    with database.read() as session:
        run = runs.get(session, PROJECT, run_id)
        keys = {"runs": ("id", run_id), "jobs": ("id", run.job_id)}
        kept = {}
        for table in Base.metadata.sorted_tables:
            name, value = keys.get(table.name, ("run_id", run_id))
            if name in table.c:
                kept[table.name] = _rows(session.execute(select(table).where(table.c[name] == value)), table)
        return kept


def _rows(result: Any, table: Table) -> list[Json]:
    return sorted(
        (dict(row._mapping) for row in result), key=lambda row: [str(row[key.name]) for key in table.primary_key]
    )


def log_of(database: Database, run_id: str) -> list[str]:
    with database.read() as session:
        return [event.data["message"] for event in events.after(session, run_id, 0) if event.kind == "log"]


def inherited_state(database: Database, run_id: str) -> CheckpointRow:
    with database.read() as session:
        (row,) = checkpoints.of_run(session, run_id)
        return row


def files(blobs: Blobs) -> list[str]:
    """Every file and folder in the data folder but those of old runs' attempts."""
    listed = [path.relative_to(blobs.root) for part in ("incoming", "runs") for path in (blobs.root / part).rglob("*")]
    return sorted(str(path) for path in listed if "inherited" in path.parts or path.parts[0] == "incoming")


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(RunRow)) or 0


def flip_a_bit(blobs: Blobs, run_id: str, number: int) -> Path:
    path = blobs.path(f"runs/{run_id}/attempt-1/checkpoint-{number}.safetensors")
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    return path


def test_the_new_run_has_all_that_the_old_one_had_up_to_its_checkpoint(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 7))
    before = rows_of(database, old)
    run = go_on(database, blobs, old)
    rows = rows_of(database, run.id)
    (row,), (job,), (state,) = rows["runs"], rows["jobs"], rows["checkpoints"]
    assert (row["resumed_from"], row["new_horizon"], row["result"], row["environment"]) == (old, False, None, None)
    assert (job["status"], job["attempt"], job["crashes"], job["kind"]) == ("queued", 0, 0, "run")
    assert (state["number"], state["attempt"], state["phase"], state["epoch"], state["step"]) == (
        1,
        0,
        "training",
        5,
        7,
    )
    assert state["key"] == f"runs/{run.id}/inherited/checkpoint.safetensors"
    assert blobs.read(StoredFile(state["key"], state["bytes"], state["sha256"])) == f"state 2 of {old}".encode()
    assert [(one["epoch"], one["attempt"], one["report"]) for one in rows["epochs"]] == [
        (epoch, 0, report(epoch)) for epoch in (1, 2, 3, 4)
    ]
    assert [(one["seq"], one["kind"], one["attempt"]) for one in rows["events"]] == [(1, "status", 0), (2, "log", 0)]
    assert log_of(database, run.id) == [f"goes on with run {old} after step 7 of epoch 5"]
    assert rows_of(database, old) == before


def test_progress_and_metrics_begin_as_they_were_after_the_last_inherited_epoch(
    database: Database, blobs: Blobs
) -> None:
    first, second, third = (cancelled(database, blobs, place) for place in ((5, 7), (6, 0), (1, 7)))
    run = go_on(database, blobs, first)
    assert run.progress is not None
    assert (run.progress["epoch"], run.progress["epochs"], run.progress["fraction"]) == (4, 9, round(4 / 9, 6))
    # The old run was best in its fifth epoch, which the new one does not have yet.
    assert run.metrics == {"last": measured(4), "best": measured(2)}
    later = go_on(database, blobs, second)
    assert later.metrics == {"last": measured(5), "best": measured(5)}
    early = go_on(database, blobs, third)
    assert (early.progress, early.metrics) == (None, None)


@pytest.mark.parametrize(
    ("rule", "best"),
    [
        (EarlyStopping(monitor="train_eval_loss"), 2),
        (EarlyStopping(monitor="validation_accuracy"), 2),
        (EarlyStopping(minimum_change=0.45), 1),
    ],
)
def test_the_best_inherited_epoch_is_judged_as_early_stopping_judges(
    database: Database, blobs: Blobs, rule: EarlyStopping, best: int
) -> None:
    run_id = add_run(database, training=TrainingSettings(seed=7, epochs=9, early_stopping=rule))
    held = claim(database)
    train(database, blobs, held, (5, 0))
    with database.write() as session:
        records.failed(session, held, "diverged", "it diverged")
    run = go_on(database, blobs, run_id)
    assert run.metrics is not None
    assert run.metrics["best"] == measured(best)


@pytest.mark.parametrize("missing", [False, True])
def test_a_bad_checkpoint_is_passed_over_for_the_one_before_it_and_the_log_says_so(
    database: Database, blobs: Blobs, missing: bool
) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 0))
    path = flip_a_bit(blobs, old, 2)
    if missing:
        path.unlink()
    run = go_on(database, blobs, old)
    state = inherited_state(database, run.id)
    assert blobs.read(checkpoints.file_of(state)) == f"state 1 of {old}".encode()
    assert (state.epoch, state.step) == (2, 3)
    assert log_of(database, run.id) == [
        "the newest checkpoint is damaged; the one before it is used",
        f"goes on with run {old} after step 3 of epoch 2",
    ]


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
        quotas.admit_run(session, PROJECT, none_more)
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


def test_the_new_run_needs_nothing_of_the_old_one_once_it_is_made(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 7))
    run = go_on(database, blobs, old)
    before = rows_of(database, run.id)
    delete(database, blobs, old)
    assert rows_of(database, run.id) == before
    blobs.check(checkpoints.file_of(inherited_state(database, run.id)))


def delete(database: Database, blobs: Blobs, run_id: str) -> None:
    with database.write() as session:
        folder = runs.remove(session, PROJECT, run_id)
    blobs.remove(folder)


def test_a_run_that_never_began_hands_on_what_it_inherited(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (5, 7))
    for asked, kept in ((True, True), (False, True), (False, True)):
        run = go_on(database, blobs, old, new_horizon=asked)
        assert run.new_horizon is kept
        assert len(rows_of(database, run.id)["epochs"]) == 4
        with database.write() as session:
            runs.cancel(session, PROJECT, run.id)
        old = run.id


def test_a_run_that_went_on_by_itself_has_its_horizon_in_its_own_checkpoints(database: Database, blobs: Blobs) -> None:
    run = go_on(database, blobs, cancelled(database, blobs, (2, 0)), new_horizon=True)
    held = claim(database)
    train(database, blobs, held, (4, 1))
    with database.write() as session:
        records.cancelled(session, held)
    later = go_on(database, blobs, run.id)
    assert (later.resumed_from, later.new_horizon) == (run.id, False)
    assert [row["epoch"] for row in rows_of(database, later.id)["epochs"]] == [1, 2, 3]


def test_a_large_file_is_copied_in_little_memory(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", bytes(48 << 20))
    tracemalloc.start()
    try:
        made = copies.copy(blobs, source, "runs/new/inherited/state")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 6 << 20
    assert (made.bytes, made.sha256) == (source.bytes, source.sha256)
    blobs.check(made)


def test_a_copy_for_which_there_is_no_room_leaves_nothing(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", bytes(4 << 20))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, limits[1]))
    try:
        with pytest.raises(StorageFull):
            copies.copy(blobs, source, "runs/new/inherited/state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(blobs) == []


def test_a_file_that_is_longer_or_a_link_is_not_copied(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", b"state")
    path = blobs.path(source.key)
    path.write_bytes(b"state, and more")
    with pytest.raises(Damaged):
        copies.copy(blobs, source, "runs/new/inherited/state")
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))
    with pytest.raises(NotFound):
        copies.copy(blobs, source, "runs/new/inherited/state")
    assert files(blobs) == []

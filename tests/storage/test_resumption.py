"""A run that has ended goes on as a new one, which has from then on nothing to do with it."""

from pathlib import Path

import pytest

from app.domain.plan.settings import EarlyStopping, TrainingSettings
from app.storage import checkpoints, records, runs
from app.storage.blobs import Blobs, StoredFile
from app.storage.database import Database
from tests.storage.resumable import (
    cancelled,
    delete,
    flip_a_bit,
    go_on,
    inherited_state,
    log_of,
    measured,
    report,
    rows_of,
    train,
)
from tests.storage.rows import PROJECT, add_run, claim


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def test_the_new_run_has_all_that_the_old_one_had_up_to_its_checkpoint(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 7))
    before = rows_of(database, old)
    run = go_on(database, blobs, old)
    rows = rows_of(database, run.id)
    (row,), (job,), (state,) = rows["runs"], rows["jobs"], rows["checkpoints"]
    assert (row["resumed_from"], row["new_horizon"], row["result"], row["environment"]) == (old, False, None, None)
    assert (job["status"], job["attempt"], job["crashes"], job["kind"]) == ("queued", 0, 0, "run")
    assert [state[name] for name in ("number", "attempt", "phase", "epoch", "step")] == [1, 0, "training", 5, 7]
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


def test_the_new_run_needs_nothing_of_the_old_one_once_it_is_made(database: Database, blobs: Blobs) -> None:
    old = cancelled(database, blobs, (2, 3), (5, 7))
    run = go_on(database, blobs, old)
    before = rows_of(database, run.id)
    delete(database, blobs, old)
    assert rows_of(database, run.id) == before
    blobs.check(checkpoints.file_of(inherited_state(database, run.id)))


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

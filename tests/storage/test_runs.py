"""Runs: what a worker writes down of one, and what a user may do with it."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.errors import Conflict, NotFound
from app.storage import datasets, events, jobs, model_records, models, records, runs
from app.storage.base import Base
from app.storage.blobs import StoredFile
from app.storage.database import Database
from app.storage.jobs import Claim
from app.storage.runs import Filters
from app.storage.tables import ArtifactRow, RunRow
from tests.storage.rows import PROJECT, add_dataset, add_run, at_once, claim, expire, status_of, submission

FILES = {"weights.safetensors": StoredFile("runs/r/attempt-1/weights.safetensors", 7, "a" * 64)}


def report(database: Database, held: Claim, epoch: int, loss: float = 1.0) -> None:
    with database.write() as session:
        records.epoch(session, held, {"epoch": epoch, "loss": loss}, {"epoch": epoch}, {"last": {"epoch": epoch}})


def begin(database: Database, held: Claim) -> None:
    with database.write() as session:
        records.started(session, held, {"python": "3.11"})


def succeed(database: Database, held: Claim, files: Mapping[str, StoredFile] = FILES) -> None:
    with database.write() as session:
        records.succeeded(session, held, {"parity": {"rows": 1}}, files)


def told(database: Database, run_id: str) -> list[tuple[int, int, str, Any]]:
    with database.read() as session:
        rows = events.after(session, run_id, 0)
        return [(row.seq, row.attempt, row.kind, row.data.get("status") or row.data.get("epoch")) for row in rows]


def run_of(database: Database, run_id: str) -> RunRow:
    with database.read() as session:
        return runs.get(session, PROJECT, run_id)


def test_a_run_is_told_from_queued_to_its_end_without_a_gap(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    begin(database, held)
    report(database, held, 1)
    succeed(database, held)
    assert told(database, run_id) == [
        (1, 0, "status", "queued"),
        (2, 1, "status", "running"),
        (3, 1, "epoch", 1),
        (4, 1, "status", "succeeded"),
        (5, 1, "end", "succeeded"),
    ]


def test_an_epoch_that_a_second_attempt_repeats_stands_once_as_the_second_saw_it(database: Database) -> None:
    run_id = add_run(database)
    first = claim(database)
    begin(database, first)
    report(database, first, 1, loss=0.5)
    report(database, first, 2, loss=0.4)
    expire(database, first.job_id)
    second = claim(database)
    begin(database, second)
    for epoch in (1, 2, 3):
        report(database, second, epoch, loss=epoch / 10)
    with database.read() as session:
        stored = [(row.epoch, row.attempt, row.report["loss"]) for row in runs.epochs(session, run_id)]
    assert stored == [(1, 2, 0.1), (2, 2, 0.2), (3, 2, 0.3)]
    said = told(database, run_id)
    assert [number for number, *_ in said] == list(range(1, len(said) + 1))
    assert [(attempt, what) for _, attempt, kind, what in said if kind == "epoch"] == [(1, 1), (1, 2), (2, 3)]
    assert [attempt for _, attempt, kind, _ in said if kind == "log"] == [2]


def test_events_of_many_runs_written_at_once_are_numbered_each_by_itself(database: Database) -> None:
    made = [add_run(database) for _ in range(4)]
    held = [claim(database) for _ in made]

    def work(number: int) -> None:
        for epoch in range(1, 11):
            report(database, held[number], epoch)

    at_once(4, work)
    for run_id in made:
        assert [number for number, *_ in told(database, run_id)] == list(range(1, 12))


def test_events_are_read_from_behind_a_number(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    begin(database, held)
    for epoch in (1, 2, 3):
        report(database, held, epoch)
    with database.read() as session:
        assert [row.seq for row in events.after(session, run_id, 2, limit=2)] == [3, 4]
        assert events.newest(session, [run_id, "run_unknown"]) == {run_id: 5}
        assert not events.ended_by(session, run_id, 5)
    succeed(database, held)
    with database.read() as session:
        assert [events.ended_by(session, run_id, seq) for seq in (6, 7)] == [False, True]


def test_a_success_publishes_files_version_and_result_together(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    with database.write() as session:
        records.progress(session, held, {"fraction": 0.9, "seconds_left": 1.0})
    succeed(database, held)
    run = run_of(database, run_id)
    name = "weights.safetensors"
    assert run.result == {
        "model": "penguins",
        "version": 1,
        "parity": {"rows": 1},
        "artifacts": [{"name": name, "bytes": 7, "sha256": "a" * 64, "url": f"/api/v1/runs/{run_id}/artifacts/{name}"}],
    }
    assert run.progress == {"fraction": 1.0, "seconds_left": 0.0}
    with database.read() as session:
        assert models.artifacts(session, PROJECT, run_id) == FILES
        assert models.artifacts(session, "another", run_id) == {}
        assert model_records.records(session, [(PROJECT, "penguins")])[PROJECT, "penguins"].versions == {1: run_id}


def test_a_success_that_cannot_be_recorded_whole_is_not_recorded_at_all(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    broken = {"weights": StoredFile("k", 1, None)}  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"(?i)null"):
        succeed(database, held, broken)
    assert status_of(database, run_id) == "running"
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(ArtifactRow)) == 0
        with pytest.raises(NotFound):
            models.get(session, PROJECT, "penguins")


def test_a_failure_is_told_with_its_reason(database: Database) -> None:
    run_id = add_run(database)
    held = claim(database)
    with database.write() as session:
        records.failed(session, held, "diverged", "x" * 5000)
    job = run_of(database, run_id).job
    assert (job.status, job.error_code, job.error_message) == ("failed", "diverged", "x" * 2000)
    assert [what for *_, what in told(database, run_id)][-2:] == ["failed", "failed"]


def test_a_cancelled_run_ends_its_events_whether_it_ran_or_not(database: Database) -> None:
    queued = add_run(database)
    with database.write() as session:
        runs.cancel(session, PROJECT, queued)
    running = add_run(database)
    held = claim(database)
    with database.write() as session:
        records.cancelled(session, held)
    for run_id in (queued, running):
        assert [(kind, what) for *_, kind, what in told(database, run_id)][-2:] == [
            ("status", "cancelled"),
            ("end", "cancelled"),
        ]


def test_a_run_is_kept_while_it_runs_and_while_a_version_is_made_of_it(database: Database) -> None:
    run_id = add_run(database)
    for status in ("queued", "running"):
        with pytest.raises(Conflict, match=status), database.write() as session:
            runs.remove(session, PROJECT, run_id)
        if status == "queued":
            held = claim(database)
    succeed(database, held)
    with pytest.raises(Conflict, match="version 1 of model penguins"), database.write() as session:
        runs.remove(session, PROJECT, run_id)
    with database.write() as session:
        models.remove_version(session, models.get(session, PROJECT, "penguins"), 1)
        assert runs.remove(session, PROJECT, run_id) == f"runs/{run_id}"


def test_a_deleted_run_leaves_no_row_behind(database: Database) -> None:
    run_id = add_run(database, tags=["a", "b"])
    held = claim(database)
    begin(database, held)
    report(database, held, 1)
    with database.write() as session:
        records.failed(session, held, "diverged", "no")
    with database.write() as session:
        runs.remove(session, PROJECT, run_id)
    left = {"datasets", "alembic_version"}
    with database.read() as session:
        for table in set(Base.metadata.tables) - left:
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_a_list_holds_the_runs_that_were_asked_for(database: Database) -> None:
    tagged = add_run(database, tags=["paper", "paper", "a"], model="one")
    other = add_run(database, model="two")
    held = claim(database)
    dataset = run_of(database, other).dataset_id

    def found(**filters: str) -> set[str]:
        with database.read() as session:
            rows, following = runs.page(session, PROJECT, Filters(**filters), 10, None)
        assert following is None
        return {row.id for row in rows}

    assert held.job_id == run_of(database, tagged).job_id
    assert found() == {tagged, other}
    assert found(status="running") == {tagged}
    assert found(status="queued") == {other}
    assert found(model="two") == found(dataset=dataset) == {other}
    assert found(tag="paper") == found(tag="a", model="one") == {tagged}
    assert found(tag="paper", model="two") == set()


def test_another_projects_run_is_not_there(database: Database) -> None:
    run_id = add_run(database)
    with database.write() as session:
        uses = [runs.get, runs.cancel, runs.remove]
        for use in uses:
            with pytest.raises(NotFound):
                use(session, "another", run_id)
        assert runs.page(session, "another", Filters(), 10, None) == ([], None)


@pytest.mark.parametrize("field", ["dataset_id", "validation_dataset_id"])
def test_a_run_on_a_dataset_that_was_just_deleted_is_refused(database: Database, field: str) -> None:
    with database.write() as session:
        good, gone = add_dataset(session), add_dataset(session)
    with database.write() as session:
        datasets.remove(session, PROJECT, gone)
    with pytest.raises(NotFound) as caught, database.write() as session:
        runs.submit(session, PROJECT, submission(**{"dataset": good, field: gone}))
    assert caught.value.code == "dataset_not_found"
    with database.read() as session:
        assert not jobs.anything_to_claim(session)


def test_of_a_submission_and_the_deletion_of_its_dataset_one_is_refused(database: Database) -> None:
    for _ in range(10):
        with database.write() as session:
            dataset = add_dataset(session)

        def work(number: int, dataset: str = dataset) -> str:
            try:
                with database.write() as session:
                    if number:
                        datasets.remove(session, PROJECT, dataset)
                    else:
                        runs.submit(session, PROJECT, submission(dataset))
            except (NotFound, Conflict) as error:
                return error.code
            return "done"

        assert at_once(2, work) in (["done", "dataset_in_use"], ["dataset_not_found", "done"])

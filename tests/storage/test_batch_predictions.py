"""Batch predictions as rows: nothing that one needs goes before it has ended, and only who holds it writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.errors import Conflict, DropnormError, NotFound, QuotaExceeded, StorageFull
from app.storage import batch_predictions, batch_records, datasets, figures, jobs, models, quotas, records, runs
from app.storage.batch_predictions import BatchPrediction
from app.storage.blobs import Blobs, StoredFile
from app.storage.database import Database, Session
from app.storage.growing import growing
from app.storage.installation import adopt
from app.storage.jobs import LostJob
from app.storage.quotas import Quota
from app.storage.sweep import sweep
from app.storage.tables import JobRow
from tests.storage.rows import PROJECT, add_dataset, add_run, at_once, claim, expire, job

DONE = {"rows": 2, "progress": {"rows": 2}}


def ended_run(database: Database) -> str:
    """A run that has succeeded, and has no version any more."""
    run_id = add_run(database)
    held = claim(database)
    with database.write() as session:
        records.succeeded(session, held, {}, {"frozen.onnx": StoredFile(f"runs/{run_id}/f", 1, "0" * 64)})
        models.remove_version(session, models.get(session, PROJECT, "penguins"), 1)
    return run_id


def submit(database: Database, run_id: str, dataset: str) -> str:
    """What a POST does; answers the job's id."""
    with database.write() as session:
        quotas.admit_job(session, PROJECT, Quota(unfinished_runs=10))
        wanted = BatchPrediction("penguins", 1, run_id, dataset, "csv", calibrated=False)
        return batch_predictions.submit(session, PROJECT, wanted).job_id


@pytest.fixture
def asked(database: Database) -> tuple[str, str, str]:
    """A queued batch prediction, the run that answers, and the dataset, which is not the run's."""
    run_id = ended_run(database)
    with database.write() as session:
        dataset = add_dataset(session, content="d" * 64, folder="datasets/b")
    return submit(database, run_id, dataset), run_id, dataset


def refused(database: Database, job_id: str, run_id: str, dataset: str) -> list[str]:
    """The codes by which each of the three refuses to be deleted; all stay."""
    codes = []
    for remove, name in ((batch_predictions.remove, job_id), (runs.remove, run_id), (datasets.remove, dataset)):
        with pytest.raises(Conflict) as caught, database.write() as session:
            remove(session, PROJECT, name)
        codes.append(caught.value.code)
    return codes


def test_what_an_unfinished_one_needs_stays_and_what_an_ended_one_needed_may_go(
    database: Database, asked: tuple[str, str, str]
) -> None:
    job_id, run_id, dataset = asked
    assert refused(database, *asked) == ["job_not_ended", "run_in_use", "dataset_in_use"]
    held = claim(database)
    assert (held.job_id, held.kind) == (job_id, "batch_prediction")
    assert refused(database, *asked) == ["job_not_ended", "run_in_use", "dataset_in_use"]
    with database.write() as session:
        batch_records.started(session, held, {})
        batch_records.progress(session, held, {"rows": 1})
        batch_records.log(session, held, "nothing")
        file = StoredFile(f"jobs/{job_id}/attempt-1/predictions.csv", 7, "1" * 64)
        batch_records.succeeded(session, held, DONE, {"predictions": file})
    with database.write() as session:
        assert runs.remove(session, PROJECT, run_id) == f"runs/{run_id}"
        assert datasets.remove(session, PROJECT, dataset) == "datasets/b"
    with database.read() as session:
        row = batch_predictions.get(session, PROJECT, job_id)
        assert (row.job.status, row.rows, row.progress, row.run_id) == ("succeeded", 2, {"rows": 2}, run_id)
        assert row.options == {"probabilities": True, "calibrated": False}
        assert batch_predictions.file_of(row) == file
    with database.write() as session:
        assert batch_predictions.remove(session, PROJECT, job_id) == f"jobs/{job_id}"
        with pytest.raises(NotFound):
            batch_predictions.get(session, PROJECT, job_id)
        assert session.get(JobRow, job_id) is None


def test_a_lost_attempt_writes_nothing(database: Database, asked: tuple[str, str, str]) -> None:
    old = claim(database, "old")
    expire(database, old.job_id)
    new = claim(database, "new")
    assert (new.attempt, new.crashes, new.taken_over) == (2, 1, True)
    file = StoredFile("jobs/x", 1, "0" * 64)
    writes: list[Callable[[Session], None]] = [
        lambda session: batch_records.started(session, old, {}),
        lambda session: batch_records.progress(session, old, {}),
        lambda session: batch_records.succeeded(session, old, DONE, {"predictions": file}),
        lambda session: batch_records.failed(session, old, "x", "y"),
        lambda session: batch_records.cancelled(session, old),
    ]
    for write in writes:
        with pytest.raises(LostJob), database.write() as session:
            write(session)
    with database.read() as session:
        row = batch_predictions.get(session, PROJECT, old.job_id)
        assert (row.job.status, row.job.worker_id, row.key, row.progress) == ("running", "new", None, None)


def test_a_queued_one_is_cancelled_at_once_and_a_running_one_is_asked_to_stop(
    database: Database, asked: tuple[str, str, str]
) -> None:
    again = submit(database, *asked[1:])
    held = claim(database)
    with database.write() as session:
        assert batch_predictions.cancel(session, PROJECT, again).job.status == "cancelled"
        assert batch_predictions.cancel(session, PROJECT, held.job_id).job.status == "running"
        assert jobs.heartbeat(session, held)
        batch_records.cancelled(session, held)
    for job_id in (again, held.job_id):
        with pytest.raises(Conflict, match="already cancelled"), database.write() as session:
            batch_predictions.cancel(session, PROJECT, job_id)
        with pytest.raises(Conflict, match="has no result"), database.read() as session:
            batch_predictions.file_of(batch_predictions.get(session, PROJECT, job_id))


def test_lists_have_the_newest_first_and_one_project_alone(database: Database, asked: tuple[str, str, str]) -> None:
    made = [asked[0], *(submit(database, *asked[1:]) for _ in range(2))]
    with database.write() as session:
        batch_predictions.cancel(session, PROJECT, made[1])
    with database.read() as session:
        first, cursor = batch_predictions.page(session, PROJECT, None, 2, None)
        rest, end = batch_predictions.page(session, PROJECT, None, 2, cursor)
        assert [row.job_id for row in (*first, *rest)] == made[::-1]
        assert end is None
        cancelled, _ = batch_predictions.page(session, PROJECT, "cancelled", 9, None)
        assert [row.job_id for row in cancelled] == [made[1]]
        assert batch_predictions.page(session, "another", None, 9, None) == ([], None)
        with pytest.raises(NotFound):
            batch_predictions.get(session, "another", made[0])


def test_it_takes_a_place_and_its_bytes_count(database: Database, asked: tuple[str, str, str]) -> None:
    with pytest.raises(QuotaExceeded), database.write() as session:
        quotas.admit_job(session, PROJECT, Quota(unfinished_runs=1))
    held = claim(database)
    with database.read() as session:
        before = quotas.stored_bytes(session, PROJECT)
    with database.write() as session:
        batch_records.succeeded(session, held, DONE, {"predictions": StoredFile("jobs/x", 1_000, "0" * 64)})
    with database.write() as session:
        assert quotas.stored_bytes(session, PROJECT) == before + 1_000
        quotas.admit_job(session, PROJECT, Quota(unfinished_runs=1))
        with pytest.raises(StorageFull):
            quotas.admit_job(session, PROJECT, Quota(unfinished_runs=1, stored_bytes=before + 1_000))


def test_figures_tell_it_from_a_run(database: Database, asked: tuple[str, str, str]) -> None:
    add_run(database)
    held = claim(database)
    with database.write() as session:
        batch_records.failed(session, held, "damaged", "it is damaged")
    submit(database, *asked[1:])
    with database.read() as session:
        found = figures.read(session)
    assert found.jobs == {"queued": 2, "running": 0}
    assert found.runs == {"queued": 1, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert found.batch_predictions == {"queued": 1, "running": 0, "succeeded": 0, "failed": 1, "cancelled": 0}


def test_of_submitting_and_deleting_what_it_needs_one_is_refused(database: Database) -> None:
    run_id = ended_run(database)
    for number in range(5):
        with database.write() as session:
            dataset = add_dataset(session, content=f"{number}" * 64, folder=f"datasets/{number}")

        def work(which: int, dataset: str = dataset) -> str:
            try:
                if which:
                    return "submitted" if submit(database, run_id, dataset) else ""
                with database.write() as session:
                    datasets.remove(session, PROJECT, dataset)
            except DropnormError as error:
                return error.code
            return "deleted"

        assert at_once(2, work) in (["deleted", "dataset_not_found"], ["dataset_in_use", "submitted"])
    with pytest.raises(NotFound), database.write() as session:
        batch_predictions.submit(session, PROJECT, BatchPrediction("penguins", 1, "run_gone", dataset, "csv"))


def test_a_worker_of_the_version_before_leaves_it_alone(database: Database, asked: tuple[str, str, str]) -> None:
    with database.read() as session:
        of_before = select(func.count()).where(JobRow.kind.in_(("run",)), JobRow.status == "queued")
        assert session.scalar(of_before) == 0
        assert jobs.anything_to_claim(session)


def test_its_files_are_swept_as_those_of_a_run(database: Database, asked: tuple[str, str, str], tmp_path: Path) -> None:
    blobs, job_id = Blobs(tmp_path), asked[0]
    adopt(database, blobs)
    held = claim(database)
    for attempt in (0, 1, 2):
        with growing(blobs, f"jobs/{job_id}/attempt-{attempt}/predictions.csv") as file:
            file.write(b"label\r\n")
    with growing(blobs, "jobs/job_unknown/attempt-1/predictions.csv") as stray:
        stray.write(b"")
    sweep(database, blobs, 3600.0)
    # The attempt that is at it keeps its files, and one that is not known here may begin any moment.
    assert left(tmp_path) == {f"{job_id}/attempt-1", f"{job_id}/attempt-2", "job_unknown/attempt-1"}
    with database.write() as session:
        key = f"jobs/{job_id}/attempt-1/predictions.csv"
        batch_records.succeeded(session, held, DONE, {"predictions": StoredFile(key, 7, file.stored.sha256)})
    sweep(database, blobs, 0.0)
    assert left(tmp_path) == {f"{job_id}/attempt-1"}
    assert job(database, job_id).status == "succeeded"
    with database.write() as session:
        batch_predictions.remove(session, PROJECT, job_id)
    sweep(database, blobs, 0.0)
    assert left(tmp_path) == set()


def left(folder: Path) -> set[str]:
    """The attempts whose files lie there."""
    return {path.parent.relative_to(folder / "jobs").as_posix() for path in (folder / "jobs").rglob("*.csv")}

"""What a project may have is never passed, however many ask at once, and nothing is left of what was refused."""

import pytest
from sqlalchemy import func, select

from app.errors import DropnormError, QuotaExceeded, StorageFull
from app.storage import datasets, jobs, quotas, records, runs
from app.storage.blobs import StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database
from app.storage.datasets import Upload
from app.storage.quotas import Quota
from app.storage.tables import DatasetRow, JobRow, RunRow
from tests.storage.rows import PROJECT, SCHEMA, add_dataset, add_run, at_once, claim, submission

THREE_RUNS = Quota(unfinished_runs=3)
DATASET_BYTES = 16


def dataset_of(database: Database) -> str:
    with database.write() as session:
        return add_dataset(session)


def submit(database: Database, dataset: str, quota: Quota, project: str = PROJECT) -> str:
    """What a POST does; answers the run's id, or the code of its refusal."""
    try:
        with database.write() as session:
            quotas.admit_job(session, project, quota)
            return runs.submit(session, project, submission(dataset)).id
    except (QuotaExceeded, StorageFull) as error:
        return error.code


def upload(database: Database, folder: str, quota: Quota, size: int = DATASET_BYTES) -> str:
    """Records a dataset as an upload does; answers its id, or the code of its refusal."""
    try:
        with database.write() as session:
            quotas.hold(session, PROJECT)
            files = [StoredFile(f"{folder}/numbers.bin", size, "0" * 64)]
            row = datasets.add(session, PROJECT, "x", Upload("5" * 64, 10, folder), folder, files, SCHEMA)
            session.flush()
            quotas.check_stored(session, PROJECT, quota)
            return row.id
    except DropnormError as error:
        return error.code


def stored(database: Database, project: str = PROJECT) -> int:
    with database.read() as session:
        return quotas.stored_bytes(session, project)


def count(database: Database, table: type[RunRow] | type[JobRow] | type[DatasetRow]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_twenty_submissions_at_once_make_as_many_as_there_are_places(database: Database) -> None:
    dataset = dataset_of(database)
    answers = at_once(20, lambda _: submit(database, dataset, THREE_RUNS))
    assert answers.count("too_many_runs") == 17
    assert count(database, RunRow) == count(database, JobRow) == 3


def test_a_running_run_takes_a_place_and_an_ended_one_gives_it_back(database: Database) -> None:
    dataset, quota = dataset_of(database), Quota(unfinished_runs=1)
    submit(database, dataset, quota)
    held = claim(database)
    assert submit(database, dataset, quota) == "too_many_runs"
    with database.write() as session:
        jobs.release(session, held)
    assert submit(database, dataset, quota) == "too_many_runs"
    with database.write() as session:
        again = jobs.claim(session, "worker")
        assert again is not None
        jobs.finish(session, again, "cancelled")
    assert submit(database, dataset, quota).startswith("run_")


def test_one_projects_runs_take_no_place_of_anothers(database: Database) -> None:
    quota = Quota(unfinished_runs=1)
    with database.write() as session:
        theirs = add_dataset(session, project="other")
    assert submit(database, dataset_of(database), quota).startswith("run_")
    assert submit(database, theirs, quota, project="other").startswith("run_")


def test_a_project_stores_its_folders_once_and_its_artifacts_and_checkpoints(database: Database) -> None:
    with database.write() as session:
        for folder in ("datasets/a", "datasets/a", "datasets/b"):
            add_dataset(session, folder=folder)
        add_dataset(session, folder="datasets/a", project="other")
    assert (stored(database), stored(database, "other"), stored(database, "nobody")) == (32, 16, 0)
    add_run(database)
    held = claim(database)
    with database.write() as session:
        records.checkpoint(session, held, Checkpoint(StoredFile("runs/r/c", 100, "0" * 64), "training", 1, 1))
    assert stored(database) == 132
    with database.write() as session:
        records.succeeded(session, held, {}, {"a": StoredFile("runs/r/a", 1 << 40, "0" * 64)})
    assert stored(database) == 132 + (1 << 40)


def test_ten_uploads_at_once_never_store_more_than_there_is_room_for(database: Database) -> None:
    quota = Quota(unfinished_runs=1, stored_bytes=3 * DATASET_BYTES)
    answers = at_once(10, lambda number: upload(database, f"datasets/{number}", quota))
    assert answers.count("storage_quota_exceeded") == 7
    assert stored(database) == 3 * DATASET_BYTES
    assert count(database, DatasetRow) == 3


def test_what_fits_to_the_byte_is_taken_and_one_byte_more_is_not(database: Database) -> None:
    quota = Quota(unfinished_runs=1, stored_bytes=100)
    assert upload(database, "datasets/a", quota, 101) == "storage_quota_exceeded"
    assert upload(database, "datasets/a", quota, 100).startswith("ds_")
    assert upload(database, "datasets/a", quota, 100).startswith("ds_"), "a shared folder takes no room"
    assert upload(database, "datasets/b", quota, 1) == "storage_quota_exceeded"


def test_a_project_without_a_byte_left_submits_no_run(database: Database) -> None:
    dataset = dataset_of(database)
    assert submit(database, dataset, Quota(3, stored_bytes=DATASET_BYTES)) == "storage_quota_exceeded"
    assert submit(database, dataset, Quota(3, stored_bytes=DATASET_BYTES + 1)).startswith("run_")
    assert submit(database, dataset, Quota(3, stored_bytes=0)).startswith("run_")


def test_a_submission_and_an_upload_of_the_same_bytes_never_wait_for_one_another_forever(database: Database) -> None:
    dataset, quota = dataset_of(database), Quota(unfinished_runs=100, stored_bytes=1 << 30)

    def work(number: int) -> str:
        if number % 2:
            return submit(database, dataset, quota)
        with database.write() as session:
            quotas.hold(session, PROJECT)
            assert datasets.stored(session, "c" * 64) is not None
            quotas.check_stored(session, PROJECT, quota)
        return "run_"

    assert all(answer.startswith("run_") for answer in at_once(12, work))


@pytest.mark.parametrize("code", ["too_many_runs", "storage_quota_exceeded"])
def test_a_refusal_says_how_much_there_is_and_how_much_may_be(database: Database, code: str) -> None:
    quota = Quota(unfinished_runs=1) if code == "too_many_runs" else Quota(2, stored_bytes=10)
    add_run(database)
    with pytest.raises((QuotaExceeded, StorageFull)) as caught, database.read() as session:
        quotas.admit_job(session, PROJECT, quota)
    assert caught.value.code == code
    assert [word for word in caught.value.detail.replace(",", " ").split() if word.isdigit()] == (
        ["1", "1"] if code == "too_many_runs" else ["16", "10"]
    )

"""Rows to test with, made by the service's own functions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from sqlalchemy import text

from app.domain.data.schema import Column, ColumnType, DatasetSchema, Kind
from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.domain.task import Task
from app.storage import datasets, jobs, runs
from app.storage.blobs import StoredFile
from app.storage.database import Database, Session
from app.storage.datasets import Upload
from app.storage.jobs import Claim
from app.storage.runs import Submission
from app.storage.tables import JobRow

PROJECT = "default"
Answer = TypeVar("Answer")

SCHEMA = DatasetSchema(
    kind=Kind.TABLE,
    task=Task.CLASSIFICATION,
    rows=2,
    features=(Column(name="x", type=ColumnType.NUMERIC, place=0),),
    target=Column(name="y", type=ColumnType.CATEGORICAL, place=0, categories=("no", "yes"), counts=(1, 1)),
)
NETWORK = NetworkSpec.model_validate({"layers": [{"type": "dense"}]})


def add_dataset(session: Session, content: str = "c" * 64, folder: str = "datasets/a", project: str = PROJECT) -> str:
    files = [StoredFile(f"{folder}/numbers.bin", 16, "0" * 64)]
    row = datasets.add(session, project, "penguins", Upload("5" * 64, 10, content), folder, files, SCHEMA)
    session.flush()
    return row.id


def submission(dataset: str, **changes: Any) -> Submission:
    given: dict[str, Any] = {
        "dataset_id": dataset,
        "validation_dataset_id": None,
        "network_id": None,
        "network": NETWORK,
        "model": "penguins",
        "training": TrainingSettings(seed=7),
        "tags": [],
    }
    return Submission(**{**given, **changes})


def add_run(database: Database, **changes: Any) -> str:
    """A queued run on a dataset of its own; answers its id."""
    with database.write() as session:
        return runs.submit(session, PROJECT, submission(add_dataset(session), **changes)).id


def add_job(database: Database, **columns: Any) -> str:
    with database.write() as session:
        row = jobs.add(session, PROJECT, "run")
        for name, value in columns.items():
            setattr(row, name, value)
        return row.id


def claim(database: Database, worker: str = "worker") -> Claim:
    """A claim that must succeed."""
    held = try_claim(database, worker)
    assert held is not None, "there was no job to claim"
    return held


def try_claim(database: Database, worker: str = "worker") -> Claim | None:
    with database.write() as session:
        return jobs.claim(session, worker)


def job(database: Database, job_id: str) -> JobRow:
    with database.read() as session:
        row = session.get(JobRow, job_id)
        assert row is not None
        return row


def status_of(database: Database, run_id: str) -> str:
    with database.read() as session:
        return runs.get(session, PROJECT, run_id).job.status


def expire(database: Database, job_id: str) -> None:
    """Lets the lease of a running job be over."""
    with database.write() as session:
        session.execute(text("UPDATE jobs SET lease_until = lease_until - 1000 WHERE id = :id"), {"id": job_id})


def at_once(times: int, work: Callable[[int], Answer]) -> list[Answer]:
    """What `work` answers in as many threads, which all begin at the same moment."""
    barrier = Barrier(times)

    def begin(number: int) -> Answer:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(begin, range(times)))

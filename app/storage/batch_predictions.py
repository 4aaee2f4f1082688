"""Batch predictions: a stored dataset answered by a model as a job, submitted in one transaction, and read back.

Rows are locked in the order that `app.storage.runs` tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.storage import datasets, jobs, paging, runs
from app.storage.blobs import StoredFile
from app.storage.database import now
from app.storage.job_tables import BatchPredictionRow
from app.storage.tables import JobRow

KIND = "batch_prediction"


@dataclass(frozen=True, slots=True)
class BatchPrediction:
    """What is asked for: rows of a dataset, answered by the run that `version` of `model` stands for now."""

    model: str
    version: int
    run_id: str
    dataset_id: str
    format: str
    probabilities: bool = True
    calibrated: bool = True

    @property
    def options(self) -> dict[str, bool]:
        return {"probabilities": self.probabilities, "calibrated": self.calibrated}


def submit(session: Session, project: str, wanted: BatchPrediction) -> BatchPredictionRow:
    """Records the batch prediction and puts its job on the queue, in the caller's transaction.

    Raises `NotFound` for a run or a dataset that was deleted meanwhile.
    """
    runs.hold(session, project, wanted.run_id)
    datasets.hold(session, project, wanted.dataset_id)
    job = jobs.add(session, project, KIND)
    row = BatchPredictionRow(
        job=job,
        project=project,
        model=wanted.model,
        version=wanted.version,
        run_id=wanted.run_id,
        dataset_id=wanted.dataset_id,
        format=wanted.format,
        options=wanted.options,
        created_at=session.scalar(select(now())) or 0.0,
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, project: str, job_id: str, *, lock: bool = False) -> BatchPredictionRow:
    """Raises `NotFound` for an unknown id, and for one of another project.

    `lock`: nobody else changes it or its job until the transaction ends, and both are as they are now.
    """
    if lock:
        known = select(BatchPredictionRow.job_id).where(
            BatchPredictionRow.job_id == job_id, BatchPredictionRow.project == project
        )
        session.execute(select(JobRow.id).where(JobRow.id == known.scalar_subquery()).with_for_update())
    # Asked for by project too, so that another's takes no longer than one that is not there.
    query = select(BatchPredictionRow).where(BatchPredictionRow.job_id == job_id, BatchPredictionRow.project == project)
    row = session.scalar(query.execution_options(populate_existing=lock))
    if row is None:
        raise NotFound("there is no such job", code="job_not_found")
    return row


def of_job(session: Session, job_id: str) -> BatchPredictionRow:
    return session.scalars(select(BatchPredictionRow).where(BatchPredictionRow.job_id == job_id)).one()


def page(
    session: Session, project: str, status: str | None, limit: int, cursor: str | None
) -> tuple[Sequence[BatchPredictionRow], str | None]:
    """The newest batch predictions, of one status if that is given, and the cursor of the next page."""
    query = select(BatchPredictionRow).where(BatchPredictionRow.project == project)
    if status is not None:
        query = query.join(JobRow, BatchPredictionRow.job_id == JobRow.id).where(JobRow.status == status)
    return paging.page(session, query, BatchPredictionRow.created_at, BatchPredictionRow.job_id, limit, cursor)


def cancel(session: Session, project: str, job_id: str) -> BatchPredictionRow:
    """Cancels a queued one at once, asks a running one to stop. Raises `Conflict` when it has ended."""
    row = get(session, project, job_id, lock=True)
    jobs.cancel(session, row.job)
    return row


def remove(session: Session, project: str, job_id: str) -> str:
    """Deletes one that has ended; answers the folder to remove once that is committed. Else raises `Conflict`."""
    row = get(session, project, job_id, lock=True)
    if row.job.status not in jobs.ENDED:
        raise Conflict(f"the job is {row.job.status}; cancel it first", code="job_not_ended")
    session.delete(row)
    session.flush()
    session.delete(row.job)
    return f"jobs/{job_id}"


def file_of(row: BatchPredictionRow) -> StoredFile:
    """The file with the answers. Raises `Conflict` where there is none (yet)."""
    if row.key is None or row.bytes is None or row.sha256 is None:
        raise Conflict(f"the job is {row.job.status} and has no result", code="result_missing")
    return StoredFile(row.key, row.bytes, row.sha256)

"""Which unfinished jobs need a dataset or a run, so that neither is deleted under them."""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.storage.job_tables import BatchPredictionRow
from app.storage.tables import JobRow


def of_dataset(session: Session, dataset_id: str) -> int:
    """How many; those that have ended need it no more."""
    return _unfinished(session, BatchPredictionRow.dataset_id == dataset_id)


def of_run(session: Session, run_id: str) -> int:
    """Likewise."""
    return _unfinished(session, BatchPredictionRow.run_id == run_id)


def _unfinished(session: Session, uses: ColumnElement[bool]) -> int:
    query = (
        select(func.count())
        .select_from(BatchPredictionRow)
        .join(JobRow, BatchPredictionRow.job_id == JobRow.id)
        .where(uses, JobRow.status.in_(("queued", "running")))
    )
    return session.scalar(query) or 0

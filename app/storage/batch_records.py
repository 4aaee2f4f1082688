"""What the worker that holds a batch prediction writes down, each in a transaction that checks that it still does."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.storage import batch_predictions, jobs
from app.storage.blobs import StoredFile
from app.storage.jobs import Claim

Report = dict[str, Any]


def started(session: Session, held: Claim, environment: Report) -> None:
    """Nothing of an attempt before this one is kept: it begins with the first row again."""
    jobs.check_held(session, held)
    batch_predictions.of_job(session, held.job_id).progress = None


def progress(session: Session, held: Claim, values: Report) -> None:
    jobs.check_held(session, held)
    batch_predictions.of_job(session, held.job_id).progress = values


def log(session: Session, held: Claim, message: str, *, once: bool = False) -> None:
    """A job that is no run has no log of its own: the worker's has it."""
    jobs.check_held(session, held)


def succeeded(session: Session, held: Claim, result: Report, files: Mapping[str, StoredFile]) -> None:
    """Publishes the one file of answers, and ends the job: all in this one transaction."""
    jobs.finish(session, held, "succeeded")
    row, (file,) = batch_predictions.of_job(session, held.job_id), files.values()
    row.key, row.bytes, row.sha256 = file.key, file.bytes, file.sha256
    row.rows, row.progress = result["rows"], result["progress"]


def failed(session: Session, held: Claim, code: str, message: str) -> None:
    jobs.finish(session, held, "failed", code, message)


def cancelled(session: Session, held: Claim) -> None:
    jobs.finish(session, held, "cancelled")

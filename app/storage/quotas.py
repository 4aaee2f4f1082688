"""How much a project may have: unfinished runs and other jobs, and bytes on the disk.

Both are looked at in the transaction that adds to them, while the project is held, so that many who come at once never
pass a limit together.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import QuotaExceeded, StorageFull
from app.storage.job_tables import BatchPredictionRow
from app.storage.tables import ArtifactRow, CheckpointRow, DatasetRow, JobRow


@dataclass(frozen=True, slots=True)
class Quota:
    """What each project may have. `stored_bytes`: 0 for no limit."""

    unfinished_runs: int
    stored_bytes: int = 0


def hold(session: Session, project: str) -> None:
    """Makes others who would add to the project wait until the transaction ends.

    Comes before any lock on a row of a dataset, so that no two wait for one another.
    """
    # SQLite's write lock, held from the start of the transaction, does the same.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"dropnorm quota {project}", 0))))


def admit_job(session: Session, project: str, quota: Quota) -> None:
    """Comes first in a transaction that submits a run or another job; holds the project.

    Raises `QuotaExceeded` where as many are queued or running as may be, `StorageFull` where no byte is left.
    """
    hold(session, project)
    unfinished = select(func.count()).where(JobRow.project == project, JobRow.status.in_(("queued", "running")))
    found = session.scalar(unfinished) or 0
    if found >= quota.unfinished_runs:
        raise QuotaExceeded(
            f"{found} runs and other jobs are queued or running, and {quota.unfinished_runs} may be; wait until one "
            "has ended",
            code="too_many_runs",
        )
    check_room(session, project, quota)


def check_room(session: Session, project: str, quota: Quota) -> None:
    """Raises `StorageFull` where a project has already stored all that it may."""
    if quota.stored_bytes and (found := stored_bytes(session, project)) >= quota.stored_bytes:
        raise _full(f"{found} bytes are stored, and {quota.stored_bytes} may be")


def check_stored(session: Session, project: str, quota: Quota, adding_bytes: int = 0) -> None:
    """Raises `StorageFull` where what was just added, or is to be, is more than fits; the project must be held."""
    if quota.stored_bytes and (found := stored_bytes(session, project) + adding_bytes) > quota.stored_bytes:
        raise _full(f"{found} bytes would be stored, and {quota.stored_bytes} may be")


def stored_bytes(session: Session, project: str) -> int:
    """What a project has on the disk: folders of datasets (a shared one once), artifacts, checkpoints, answers."""
    of_project = select(func.max(DatasetRow.stored_bytes).label("bytes")).where(DatasetRow.project == project)
    folders = of_project.group_by(DatasetRow.folder).subquery()
    sums = (
        select(func.sum(folders.c.bytes)),
        select(func.sum(ArtifactRow.bytes)).where(ArtifactRow.project == project),
        select(func.sum(CheckpointRow.bytes)).where(CheckpointRow.project == project),
        select(func.sum(BatchPredictionRow.bytes)).where(BatchPredictionRow.project == project),
    )
    return sum(int(session.scalar(part) or 0) for part in sums)


def _full(found: str) -> StorageFull:
    return StorageFull(f"{found}; delete datasets or runs and try again", code="storage_quota_exceeded")

"""When workers were last seen."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.storage.database import now
from app.storage.tables import WorkerRow


def seen(session: Session, worker_id: str, project: str) -> None:
    """Notes that a worker is alive."""
    session.merge(WorkerRow(id=worker_id, project=project, seen_at=session.scalar(select(now())) or 0.0))


def seen_within(session: Session, seconds: float) -> bool:
    """Whether any worker was seen so lately."""
    return session.scalar(select(WorkerRow.id).where(WorkerRow.seen_at > now() - seconds).limit(1)) is not None

"""When workers were last seen, and what they have done."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.storage.database import now
from app.storage.service_tables import WorkerRow
from app.storage.upserts import insert

NOTHING: Mapping[str, int] = MappingProxyType({})
COUNTED = ("epochs", "training_rows", "leases_lost", "trainers_lost")


def seen(session: Session, worker_id: str, project: str, counts: Mapping[str, int] = NOTHING) -> None:
    """Notes that a worker is alive, whether it was known or is forgotten by now, and what it has done by now.

    `counts` are the columns of `COUNTED`, since the worker started.
    """
    moment = select(now()).scalar_subquery()
    told = {"seen_at": moment, **{name: counts.get(name, 0) for name in COUNTED}}
    statement = insert(session, WorkerRow).values(id=worker_id, project=project, **told)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=told))


def seen_within(session: Session, seconds: float) -> bool:
    """Whether any worker was seen so lately."""
    # One that was seen in the future was seen by a clock that was put back since.
    lately = WorkerRow.seen_at.between(now() - seconds, now() + seconds)
    return session.scalar(select(WorkerRow.id).where(lately).limit(1)) is not None


def forget(session: Session, unseen_seconds: float, limit: int) -> int:
    """Deletes some of the workers that were not seen for so long; answers how many."""
    # Of several processes that do so at once, each takes what the others have not.
    old = (
        select(WorkerRow.id)
        .where(WorkerRow.seen_at < now() - unseen_seconds)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return len(session.execute(delete(WorkerRow).where(WorkerRow.id.in_(old)).returning(WorkerRow.id)).all())

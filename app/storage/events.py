"""What happened to a run, in the order it happened."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.storage.database import now
from app.storage.tables import EventRow, RunRow


def append(session: Session, run: RunRow, attempt: int, kind: str, data: dict[str, Any]) -> None:
    """Adds the next event of a run. The caller holds the run's job, so no two writers number events at once."""
    last = session.scalar(select(func.max(EventRow.seq)).where(EventRow.run_id == run.id)) or 0
    session.add(
        EventRow(
            run_id=run.id,
            seq=last + 1,
            project=run.project,
            attempt=attempt,
            kind=kind,
            data=data,
            at=session.scalar(select(now())) or 0.0,
        )
    )
    session.flush()


def after(session: Session, run_id: str, seq: int, limit: int = 500) -> Sequence[EventRow]:
    """A run's events behind number `seq`, oldest first."""
    query = select(EventRow).where(EventRow.run_id == run_id, EventRow.seq > seq).order_by(EventRow.seq).limit(limit)
    return session.scalars(query).all()


def said(session: Session, run_id: str, kind: str, data: dict[str, Any], attempt: int | None = None) -> bool:
    """Whether a run's events have this one, of any attempt or of one."""
    query = select(EventRow.data).where(EventRow.run_id == run_id, EventRow.kind == kind)
    if attempt is not None:
        query = query.where(EventRow.attempt == attempt)
    return any(known == data for known in session.scalars(query))


def newest(session: Session, run_ids: Sequence[str]) -> dict[str, int]:
    """The last event's number of each of these runs."""
    query = (
        select(EventRow.run_id, func.max(EventRow.seq)).where(EventRow.run_id.in_(run_ids)).group_by(EventRow.run_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def ended_by(session: Session, run_id: str, seq: int) -> bool:
    """Whether nothing comes behind number `seq`: that or an earlier event is the run's `end`, or the run is gone."""
    end = select(EventRow.id).where(EventRow.run_id == run_id, EventRow.kind == "end", EventRow.seq <= seq)
    return session.scalar(end.limit(1)) is not None or session.get(RunRow, run_id) is None

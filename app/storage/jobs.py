"""The queue: every move of a job's state is one guarded statement.

queued ──claim──► running ──finish──► succeeded | failed | cancelled
   ▲                 │
   └────release──────┘      a lease that ran out is claimed again, with `attempt` one higher

Whoever holds a job writes under `id AND attempt AND status = 'running'`; zero rows mean that it was lost.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, DropnormError
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.tables import JobRow

LEASE_SECONDS = 30.0
LONGEST_DELAY_SECONDS = 300.0  # of a lease, and of a job put off
ENDED = ("succeeded", "failed", "cancelled")
KINDS = ("run", "batch_prediction")  # of work that a worker knows; any other is left to a newer one


class LostJob(DropnormError):
    """Another attempt holds this job, or it has ended: stop, and publish nothing."""

    code = "job_lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in hand: `attempt` fences every later write. `taken_over`: its lease was another's, and is over."""

    job_id: str
    project: str
    kind: str
    attempt: int
    crashes: int
    max_crashes: int
    lease_seconds: float = LEASE_SECONDS
    taken_over: bool = False

    @property
    def spent(self) -> bool:
        """Whether it crashed as often as it may: to be failed, not tried once more."""
        return self.crashes >= self.max_crashes


def add(session: Session, project: str, kind: str, priority: int = 0) -> JobRow:
    """A new queued job. It is on the queue as soon as the transaction commits: there is no second message to lose."""
    moment = session.scalar(select(now())) or 0.0
    row = JobRow(id=new_id("job"), project=project, kind=kind, priority=priority, run_after=moment, created_at=moment)
    session.add(row)
    return row


def claim(session: Session, worker_id: str, lease_seconds: float = LEASE_SECONDS) -> Claim | None:
    """Takes the oldest job of the highest priority that is queued, or whose lease is over; None if there is none.

    A lease that ran out counts as a crash, so the claim may be `spent`. It must be renewed within `lease_seconds`.
    """
    # SQLite has no row locks and drops the clause: there the write lock of the transaction does the same.
    first = session.execute(
        select(JobRow.id, JobRow.status)
        .where(_free())
        .order_by(JobRow.priority.desc(), JobRow.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if first is None:
        return None
    statement = (
        update(JobRow)
        .where(JobRow.id == first.id, _free())
        .values(
            status="running",
            worker_id=worker_id,
            lease_until=now() + lease_seconds,
            attempt=JobRow.attempt + 1,
            started_at=case((JobRow.started_at.is_(None), now()), else_=JobRow.started_at),
            crashes=JobRow.crashes + case((JobRow.status == "running", 1), else_=0),
        )
        .returning(JobRow.id, JobRow.project, JobRow.kind, JobRow.attempt, JobRow.crashes, JobRow.max_crashes)
        .execution_options(synchronize_session=False)
    )
    row = session.execute(statement).one_or_none()
    return Claim(*row, lease_seconds=lease_seconds, taken_over=first.status == "running") if row else None


def heartbeat(session: Session, held: Claim) -> bool:
    """Renews the lease; answers whether somebody asked to cancel. Raises `LostJob` when fenced."""
    row = session.execute(
        update(JobRow)
        .where(_held(held))
        .values(lease_until=now() + held.lease_seconds)
        .returning(JobRow.cancel_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        raise _lost(held)
    return row[0] is not None


def check_held(session: Session, held: Claim) -> None:
    """Raises `LostJob` unless this attempt still holds the job; locks its row until the transaction ends."""
    if session.execute(select(JobRow.id).where(_held(held)).with_for_update()).one_or_none() is None:
        raise _lost(held)


def finish(session: Session, held: Claim, status: str, code: str | None = None, message: str | None = None) -> None:
    """Ends a job once and for all. Raises `LostJob` when fenced."""
    values = {
        "status": status,
        "finished_at": now(),
        "lease_until": None,
        "error_code": code,
        "error_message": message[:2000] if message else None,
    }
    _guarded(session, held, values)


def release(session: Session, held: Claim, *, after_seconds: float = 0.0) -> None:
    """Puts a job back on the queue politely: `crashes` stays, the next claim raises `attempt`."""
    _guarded(session, held, _queued_again(after_seconds))


def crashed(session: Session, held: Claim, *, after_seconds: float) -> bool:
    """Puts a job whose trainer died back on the queue; answers False when its budget of crashes is spent."""
    last = _held(held) & (JobRow.crashes + 1 >= JobRow.max_crashes)
    if session.scalar(select(JobRow.id).where(last).with_for_update()) is not None:
        return False
    _guarded(session, held, {**_queued_again(after_seconds), "crashes": JobRow.crashes + 1})
    return True


def got_further(session: Session, held: Claim) -> None:
    """Forgets the crashes so far: what comes after a new checkpoint is no repetition of what led to them."""
    _guarded(session, held, {"crashes": 0})


def anything_to_claim(session: Session) -> bool:
    """Whether a claim would find a job; takes no lock, so that an idle worker disturbs nobody."""
    return session.scalar(select(JobRow.id).where(_free()).limit(1)) is not None


def cancel_requested(session: Session, held: Claim) -> bool:
    """Whether somebody asked this attempt to stop; takes no lock."""
    return session.scalar(select(JobRow.cancel_requested_at).where(_held(held))) is not None


def cancel(session: Session, row: JobRow) -> None:
    """Cancels a queued job at once and asks a running one to stop. Raises `Conflict` when it has ended."""
    queued = JobRow.status == "queued"
    changed = session.execute(
        update(JobRow)
        .where(JobRow.id == row.id, JobRow.status.in_(("queued", "running")))
        .values(
            status=case((queued, "cancelled"), else_=JobRow.status),
            cancel_requested_at=func.coalesce(JobRow.cancel_requested_at, now()),
            finished_at=case((queued, now()), else_=JobRow.finished_at),
        )
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    session.refresh(row)
    if changed is None:
        raise Conflict(f"it has already {row.status}, so it cannot be cancelled", code="already_ended")


def _free() -> ColumnElement[bool]:
    # What lies further ahead than anything is ever set comes of a clock that was put back: nobody would get there.
    never = now() + 2 * LONGEST_DELAY_SECONDS
    return JobRow.kind.in_(KINDS) & or_(
        and_(JobRow.status == "queued", or_(JobRow.run_after <= now(), JobRow.run_after > never)),
        and_(JobRow.status == "running", or_(JobRow.lease_until < now(), JobRow.lease_until > never)),
    )


def _held(held: Claim) -> ColumnElement[bool]:
    return and_(JobRow.id == held.job_id, JobRow.attempt == held.attempt, JobRow.status == "running")


def _queued_again(after_seconds: float) -> dict[str, Any]:
    return {"status": "queued", "worker_id": None, "lease_until": None, "run_after": now() + after_seconds}


def _guarded(session: Session, held: Claim, values: dict[str, Any]) -> None:
    statement = update(JobRow).where(_held(held)).values(**values).returning(JobRow.id)
    if session.execute(statement.execution_options(synchronize_session=False)).one_or_none() is None:
        raise _lost(held)


def _lost(held: Claim) -> LostJob:
    return LostJob(f"job {held.job_id} is no longer held by attempt {held.attempt}")

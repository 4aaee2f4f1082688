"""Figures of queue and workers as they stand at one moment, for whoever watches the service."""

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.storage.database import now
from app.storage.service_tables import WorkerRow
from app.storage.tables import JobRow, RunRow

UNFINISHED = ("queued", "running")
STATUSES = (*UNFINISHED, "succeeded", "failed", "cancelled")
SEEN_SECONDS, REMEMBERED_SECONDS = 30.0, 600.0
MOST_WORKERS = 1_000


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """What one worker has done since it started."""

    id: str
    epochs: int
    training_rows: int
    leases_lost: int
    trainers_lost: int


@dataclass(frozen=True, slots=True)
class Figures:
    """`oldest_seconds`: how long the job has waited that could have been taken first; 0 where none waits.

    `jobs` are queued and running, of every kind; `runs` and `batch_predictions` have every status. `workers`
    were seen within ten minutes, `workers_seen` of them within half a minute.
    """

    jobs: dict[str, int]
    runs: dict[str, int]
    oldest_seconds: float
    rows_per_second: float
    workers: tuple[WorkerFigures, ...]
    workers_seen: int
    batch_predictions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))


def read(session: Session) -> Figures:
    """Four short statements; none reads more of an ended job than its place in an index."""
    jobs, workers = _jobs(session), _workers(session)
    return Figures(
        jobs={status: sum(of_kind.get(status, 0) for of_kind in jobs.values()) for status in UNFINISHED},
        runs=_every_status(jobs, "run"),
        oldest_seconds=_oldest_seconds(session),
        rows_per_second=_rows_per_second(session),
        workers=tuple(figures for figures, _ in workers),
        workers_seen=sum(lately for _, lately in workers),
        batch_predictions=_every_status(jobs, "batch_prediction"),
    )


def _jobs(session: Session) -> dict[str, dict[str, int]]:
    """How many there are of each kind and status."""
    found: dict[str, dict[str, int]] = {}
    statement = select(JobRow.kind, JobRow.status, func.count()).group_by(JobRow.kind, JobRow.status)
    for kind, status, count in session.execute(statement):
        found.setdefault(kind, {})[status] = int(count)
    return found


def _every_status(jobs: dict[str, dict[str, int]], kind: str) -> dict[str, int]:
    return {status: jobs.get(kind, {}).get(status, 0) for status in STATUSES}


def _oldest_seconds(session: Session) -> float:
    # A job that was handed back waits since then, and one that is put off does not wait yet.
    waiting = (JobRow.status == "queued") & (JobRow.run_after <= now())
    return max(0.0, session.scalar(select(func.max(now() - JobRow.run_after)).where(waiting)) or 0.0)


def _rows_per_second(session: Session) -> float:
    # What a worker reported before it was lost is no speed any more.
    held = (JobRow.status == "running") & (JobRow.lease_until >= now())
    reported = session.scalars(select(RunRow.progress).join(JobRow, RunRow.job_id == JobRow.id).where(held))
    return float(sum((progress or {}).get("rows_per_second") or 0.0 for progress in reported))


def _workers(session: Session) -> list[tuple[WorkerFigures, bool]]:
    statement = (
        select(
            WorkerRow.id,
            WorkerRow.epochs,
            WorkerRow.training_rows,
            WorkerRow.leases_lost,
            WorkerRow.trainers_lost,
            WorkerRow.seen_at.between(now() - SEEN_SECONDS, now() + SEEN_SECONDS),
        )
        .where(WorkerRow.seen_at.between(now() - REMEMBERED_SECONDS, now() + REMEMBERED_SECONDS))
        .order_by(WorkerRow.seen_at.desc())
        .limit(MOST_WORKERS)
    )
    return [(WorkerFigures(*row[:5]), bool(row[5])) for row in session.execute(statement)]

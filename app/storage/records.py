"""What the worker that holds a run writes down, each in a transaction that first checks that it still holds it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.storage import checkpoints, events, jobs, models, runs
from app.storage.blobs import StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.jobs import Claim
from app.storage.tables import ArtifactRow, EpochRow, RunRow

Report = dict[str, Any]


def started(session: Session, held: Claim, environment: dict[str, Any]) -> RunRow:
    """The run of a job just claimed, marked as running here."""
    jobs.check_held(session, held)
    run = runs.of_job(session, held.job_id)
    run.environment = environment
    status = {"status": "running", "attempt": held.attempt}
    if events.said(session, run.id, "status", status):
        # Written already, by a transaction of which nobody learned that it was committed.
        return run
    if held.attempt > 1:
        text = f"attempt {held.attempt} begins: the worker of the attempt before it was lost or stopped"
        events.append(session, run, held.attempt, "log", {"message": text})
    events.append(session, run, held.attempt, "status", status)
    return run


def epoch(session: Session, held: Claim, report: Report, progress: Report, metrics: Report) -> None:
    """An epoch's report, stood down once: an attempt that repeats an epoch adds no second event."""
    jobs.check_held(session, held)
    run = runs.of_job(session, held.job_id)
    run.progress, run.metrics = progress, metrics
    row = session.get(EpochRow, (run.id, report["epoch"]))
    if row is None:
        session.add(
            EpochRow(run_id=run.id, epoch=report["epoch"], project=run.project, attempt=held.attempt, report=report)
        )
        events.append(session, run, held.attempt, "epoch", report)
    else:
        row.attempt, row.report = held.attempt, report


def progress(session: Session, held: Claim, values: Report) -> None:
    jobs.check_held(session, held)
    runs.of_job(session, held.job_id).progress = values


def log(session: Session, held: Claim, message: str, *, once: bool = False) -> None:
    """Adds a line to the run's log, once an attempt; `once`: once a run."""
    jobs.check_held(session, held)
    run, line = runs.of_job(session, held.job_id), {"message": message}
    if not events.said(session, run.id, "log", line, None if once else held.attempt):
        events.append(session, run, held.attempt, "log", line)


def checkpoint(session: Session, held: Claim, made: Checkpoint) -> list[str]:
    """A state that the run can go on from; answers the keys of those it replaces, for after the commit."""
    jobs.got_further(session, held)
    return checkpoints.add(session, runs.of_job(session, held.job_id), held.attempt, made)


def succeeded(session: Session, held: Claim, result: Report, files: Mapping[str, StoredFile]) -> None:
    """Publishes files, model version and result, and ends the run: all in this one transaction."""
    jobs.finish(session, held, "succeeded")
    run = runs.of_job(session, held.job_id)
    for name, file in files.items():
        session.add(
            ArtifactRow(
                run_id=run.id, name=name, project=run.project, key=file.key, bytes=file.bytes, sha256=file.sha256
            )
        )
    version = models.add_version(session, run.project, run.model, run.id)
    listed = [
        {"name": name, "bytes": file.bytes, "sha256": file.sha256, "url": f"/api/v1/runs/{run.id}/artifacts/{name}"}
        for name, file in files.items()
    ]
    run.result = {"model": run.model, "version": version, **result, "artifacts": listed}
    if run.progress is not None:
        run.progress = {**run.progress, "fraction": 1.0, "seconds_left": 0.0}
    _end(session, held, run, {"status": "succeeded", "model": run.model, "version": version})


def failed(session: Session, held: Claim, code: str, message: str) -> None:
    jobs.finish(session, held, "failed", code, message)
    _end(session, held, runs.of_job(session, held.job_id), {"status": "failed", "code": code, "message": message})


def cancelled(session: Session, held: Claim) -> None:
    jobs.finish(session, held, "cancelled")
    _end(session, held, runs.of_job(session, held.job_id), {"status": "cancelled"})


def _end(session: Session, held: Claim, run: RunRow, data: Report) -> None:
    checkpoints.forget_statistics(session, run.id)
    events.append(session, run, held.attempt, "status", {"status": data["status"]})
    events.append(session, run, held.attempt, "end", data)

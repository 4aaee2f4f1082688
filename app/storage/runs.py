"""Runs: submitted in one transaction with their job, and read back.

Rows are locked in one order on PostgreSQL, so that no two transactions ever wait for one another; each takes of these
what it needs:

1. the idempotency key,
2. the project (`quotas.hold`),
3. the job: workers renew its lease first, everybody else comes here by `get(lock=True)`,
4. the run, and what refers to it: events, epochs, checkpoints, artifacts, batch predictions,
5. the dataset, or the model.

An old run that a new one goes on from comes with its own job in 3 and 4. A job or run that is new is nobody else's yet.
SQLite has one lock for all, taken when a writing transaction begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.errors import Conflict, NotFound
from app.storage import checkpoints, datasets, events, job_uses, jobs, models, paging
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.tables import ArtifactRow, CheckpointRow, EpochRow, EventRow, JobRow, RunRow, TagRow


@dataclass(frozen=True, slots=True)
class Submission:
    """A run to be: everything resolved, the seed included."""

    dataset_id: str
    validation_dataset_id: str | None
    network_id: str | None
    network: NetworkSpec
    model: str
    training: TrainingSettings
    tags: list[str]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs a list holds; None: whatever it is."""

    status: str | None = None
    model: str | None = None
    dataset: str | None = None
    tag: str | None = None


def submit(session: Session, project: str, wanted: Submission, run_id: str | None = None) -> RunRow:
    """Records the run, under `run_id` or an id of its own, and puts its job on the queue, in the caller's transaction.

    Raises `NotFound` for a dataset that was deleted meanwhile.
    """
    for dataset_id in (wanted.dataset_id, wanted.validation_dataset_id):
        if dataset_id is not None:
            datasets.hold(session, project, dataset_id)
    job = jobs.add(session, project, "run", wanted.priority)
    run = RunRow(
        id=run_id or new_id("run"),
        project=project,
        job=job,
        dataset_id=wanted.dataset_id,
        validation_dataset_id=wanted.validation_dataset_id,
        network_id=wanted.network_id,
        network=wanted.network.document(),
        model=wanted.model,
        training=wanted.training.document(),
        tags=[TagRow(tag=tag, project=project) for tag in sorted(set(wanted.tags))],
        created_at=session.scalar(select(now())) or 0.0,
    )
    session.add(run)
    session.flush()
    events.append(session, run, 0, "status", {"status": "queued"})
    return run


def get(session: Session, project: str, run_id: str, *, lock: bool = False) -> RunRow:
    """Raises `NotFound` for an unknown id, and for one of another project.

    `lock`: nobody else changes the run or its job until the transaction ends, and both are as they are now.
    """
    if lock:
        known = select(RunRow.job_id).where(RunRow.id == run_id, RunRow.project == project)
        session.execute(select(JobRow.id).where(JobRow.id == known.scalar_subquery()).with_for_update())
    # Asked for by project too, so that another's takes no longer than one that is not there.
    query = select(RunRow).where(RunRow.id == run_id, RunRow.project == project)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        raise NotFound("there is no such run", code="run_not_found")
    return row


def hold(session: Session, project: str, run_id: str) -> None:
    """Keeps a run from being deleted until the transaction ends. Raises `NotFound` where it is gone already."""
    query = select(RunRow.id).where(RunRow.id == run_id, RunRow.project == project)
    if session.scalar(query.with_for_update(read=True, key_share=True)) is None:
        raise NotFound("there is no such run", code="run_not_found")


def of_job(session: Session, job_id: str) -> RunRow:
    return session.scalars(select(RunRow).where(RunRow.job_id == job_id)).one()


def page(
    session: Session, project: str, filters: Filters, limit: int, cursor: str | None
) -> tuple[Sequence[RunRow], str | None]:
    """The newest runs that pass the filters, and the cursor of the next page."""
    query = select(RunRow).join(JobRow, RunRow.job_id == JobRow.id).where(RunRow.project == project)
    if filters.status is not None:
        query = query.where(JobRow.status == filters.status)
    if filters.model is not None:
        query = query.where(RunRow.model == filters.model)
    if filters.dataset is not None:
        query = query.where(RunRow.dataset_id == filters.dataset)
    if filters.tag is not None:
        query = query.where(RunRow.tags.any(TagRow.tag == filters.tag))
    return paging.page(session, query, RunRow.created_at, RunRow.id, limit, cursor)


def epochs(session: Session, run_id: str) -> Sequence[EpochRow]:
    return session.scalars(select(EpochRow).where(EpochRow.run_id == run_id).order_by(EpochRow.epoch)).all()


def cancel(session: Session, project: str, run_id: str) -> RunRow:
    """Cancels a queued run at once, asks a running one to stop. Raises `Conflict` when it has ended."""
    run = get(session, project, run_id, lock=True)
    jobs.cancel(session, run.job)
    if run.job.status == "cancelled":
        checkpoints.forget_statistics(session, run_id)
        events.append(session, run, run.job.attempt, "status", {"status": "cancelled"})
        events.append(session, run, run.job.attempt, "end", {"status": "cancelled"})
    return run


def remove(session: Session, project: str, run_id: str) -> str:
    """Deletes an ended run and all it recorded; answers the folder to remove once that is committed.

    Raises `Conflict` while it is queued or running, and while a model's version or an unfinished job needs it.
    """
    run = get(session, project, run_id, lock=True)
    if run.job.status not in jobs.ENDED:
        raise Conflict(f"the run is {run.job.status}; cancel it first", code="run_not_ended")
    used = models.version_of_run(session, run_id)
    if used is not None:
        raise Conflict(
            f"version {used.version} of model {run.model} is made of it; delete that first", code="run_in_use"
        )
    if job_uses.of_run(session, run_id):
        raise Conflict("a batch prediction that has not ended needs it; cancel that first", code="run_in_use")
    for table in (EventRow, EpochRow, ArtifactRow, CheckpointRow):
        session.execute(delete(table).where(table.run_id == run_id))
    session.delete(run)
    session.flush()
    session.delete(run.job)
    return f"runs/{run_id}"


def network_of(row: RunRow) -> NetworkSpec:
    return NetworkSpec.model_validate(row.network)


def training_of(row: RunRow) -> TrainingSettings:
    return TrainingSettings.model_validate(row.training)

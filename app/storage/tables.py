"""The tables of datasets, networks and runs. Times are seconds since 1970 UTC by the database's clock.

A row is the job: a run's status, attempt and lease stand in its row of `jobs`, so that claiming and fencing are the
same for every kind of background work.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.storage.base import Base, Document


class JobRow(Base):
    """One piece of background work. `attempt` is the fencing token: it only ever grows by one."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status_known"),
        CheckConstraint(
            "status <> 'running' OR (worker_id IS NOT NULL AND lease_until IS NOT NULL)", name="running_is_leased"
        ),
        CheckConstraint("status IN ('queued', 'running') OR finished_at IS NOT NULL", name="ended_is_dated"),
        CheckConstraint("status <> 'queued' OR (worker_id IS NULL AND lease_until IS NULL)", name="queued_is_nobodys"),
        CheckConstraint("status IN ('queued', 'running') OR lease_until IS NULL", name="ended_is_not_leased"),
        CheckConstraint("status <> 'failed' OR error_code IS NOT NULL", name="failed_says_why"),
        CheckConstraint("attempt >= 0 AND crashes >= 0 AND max_crashes > 0", name="counters_not_negative"),
        Index(None, "status", "priority", "created_at"),
        Index(None, "kind", "status"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), default="queued")
    priority: Mapped[int] = mapped_column(Integer, default=0)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    max_crashes: Mapped[int] = mapped_column(Integer, default=3)
    worker_id: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[float | None]
    run_after: Mapped[float]
    cancel_requested_at: Mapped[float | None]
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class DatasetRow(Base):
    """A dataset: the digest of the bytes that were sent, and the folder that holds its columns (shared by equals)."""

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[str] = mapped_column(String(64), index=True)
    folder: Mapped[str] = mapped_column(String(200), index=True)
    stored_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[Document]
    schema: Mapped[Document]
    created_at: Mapped[float] = mapped_column(index=True)


class NetworkRow(Base):
    __tablename__ = "networks"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    name: Mapped[str] = mapped_column(String(100))
    spec: Mapped[Document]
    created_at: Mapped[float] = mapped_column(index=True)


class RunRow(Base):
    """A run: what was asked, all of it resolved, and what came of it. `network` is the resolved spec, in place.

    `new_horizon`: its schedule is stretched over its own epochs, not over those of the run that it was resumed from.
    """

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    validation_dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)
    network_id: Mapped[str | None] = mapped_column(String(40))
    network: Mapped[Document]
    model: Mapped[str] = mapped_column(String(100), index=True)
    training: Mapped[Document]
    resumed_from: Mapped[str | None] = mapped_column(String(40))
    new_horizon: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[Document | None]
    metrics: Mapped[Document | None]
    result: Mapped[Document | None]
    environment: Mapped[Document | None]
    created_at: Mapped[float] = mapped_column(index=True)
    job: Mapped[JobRow] = relationship(lazy="joined", innerjoin=True)
    tags: Mapped[list["TagRow"]] = relationship(lazy="selectin", order_by="TagRow.tag", cascade="all, delete-orphan")


class TagRow(Base):
    __tablename__ = "run_tags"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(100), primary_key=True, index=True)
    project: Mapped[str] = mapped_column(String(100))


class EpochRow(Base):
    """One epoch's report, once: whoever repeats an epoch writes over it."""

    __tablename__ = "epochs"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    attempt: Mapped[int]
    report: Mapped[Document]


class EventRow(Base):
    """What happened to a run, in order. `id` grows over all runs, `seq` within one."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("run_id", "seq"),)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    seq: Mapped[int]
    project: Mapped[str] = mapped_column(String(100))
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    data: Mapped[Document]
    at: Mapped[float]


class ArtifactRow(Base):
    """A file that a run published: the row is the publication, the digest is checked on every load."""

    __tablename__ = "artifacts"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(300))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class CheckpointRow(Base):
    """A state that a run can go on from. In `phase` "training", `step` steps of `epoch` (from 1) are done."""

    __tablename__ = "checkpoints"
    __table_args__ = (
        CheckConstraint("phase IN ('training', 'statistics')", name="phase_known"),
        CheckConstraint("number >= 1 AND epoch >= 1 AND step >= 0 AND bytes > 0", name="numbers_in_range"),
    )
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    attempt: Mapped[int]
    key: Mapped[str] = mapped_column(String(300))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    phase: Mapped[str] = mapped_column(String(20))
    epoch: Mapped[int]
    step: Mapped[int]
    created_at: Mapped[float]

"""Every table. Times are seconds since 1970 UTC by the database's own clock; JSON holds pydantic documents.

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
        CheckConstraint("attempt >= 0 AND crashes >= 0", name="counters_not_negative"),
        Index(None, "status", "priority", "created_at"),
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
    checkpoint_key: Mapped[str | None] = mapped_column(String(200))
    checkpoint_sha256: Mapped[str | None] = mapped_column(String(64))
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
    """A run: what was asked, all of it resolved, and what came of it. `network` is the resolved spec, in place."""

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


class ModelRow(Base):
    """A name that users predict with. `versions_made` only grows, so a deleted number is never given again."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("project", "name"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    versions_made: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float] = mapped_column(index=True)


class VersionRow(Base):
    __tablename__ = "versions"
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    created_at: Mapped[float]


class AliasRow(Base):
    __tablename__ = "aliases"
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    alias: Mapped[str] = mapped_column(String(100), primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]


class IdempotencyRow(Base):
    """The first answer to a POST that carried an `Idempotency-Key`, and the digest of what was sent."""

    __tablename__ = "idempotency_keys"
    project: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    location: Mapped[str | None] = mapped_column(String(300))
    answer: Mapped[Document]
    created_at: Mapped[float]


class WorkerRow(Base):
    """When each worker was last seen: readiness asks for one seen lately."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    seen_at: Mapped[float]

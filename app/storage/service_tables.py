"""The tables of the service itself: first answers, workers, and which data folder is this database's."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, Document


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


class InstallationRow(Base):
    """The one row that says which data folder is this database's; `place` is always 1."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("place = 1", name="one_row"),)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float]

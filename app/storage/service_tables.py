"""The tables of the service itself: keys, first answers, workers, and which data folder is this database's."""

from sqlalchemy import BigInteger, CheckConstraint, String
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


class KeyRow(Base):
    """A key, by its digest alone. `scopes` are words with blanks between them, in one order.

    `origin`: "made" by somebody who had an admin key or the command line, or the variable of the environment that
    holds it.
    """

    __tablename__ = "keys"
    __table_args__ = (CheckConstraint("scopes <> ''", name="may_do_something"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(12))
    origin: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float] = mapped_column(index=True)
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class WorkerRow(Base):
    """When each worker was last seen (readiness asks for one seen lately), and what it has done since it started.

    `epochs` and `training_rows` were written down by it; `leases_lost` are jobs that it took from others whose lease
    was over; `trainers_lost` are training processes that ended by themselves or fell silent.
    """

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    project: Mapped[str] = mapped_column(String(100))
    seen_at: Mapped[float]
    epochs: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    training_rows: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    leases_lost: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    trainers_lost: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class InstallationRow(Base):
    """The one row that says which data folder is this database's; `place` is always 1."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("place = 1", name="one_row"),)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float]

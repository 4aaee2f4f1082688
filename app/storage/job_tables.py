"""The tables of jobs that are no runs. See `app.storage.tables`."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.storage.base import Base, Document
from app.storage.tables import JobRow


class BatchPredictionRow(Base):
    """A stored dataset to be answered by a run's model: what was asked, how far it is, and the file that came of it.

    `model` and `version` are what was asked for; `run_id` is what they stood for then. Neither run nor dataset may go
    before the job has ended; afterwards both may. `key`, `bytes`, `sha256` and `rows` are of the file that came of
    it.
    """

    __tablename__ = "batch_predictions"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    project: Mapped[str] = mapped_column(String(100), index=True)
    model: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[str] = mapped_column(String(40), index=True)
    dataset_id: Mapped[str] = mapped_column(String(40), index=True)
    format: Mapped[str] = mapped_column(String(20))
    options: Mapped[Document]
    progress: Mapped[Document | None]
    key: Mapped[str | None] = mapped_column(String(300))
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    rows: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(index=True)
    job: Mapped[JobRow] = relationship(lazy="joined", innerjoin=True)

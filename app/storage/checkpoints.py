"""Checkpoints: the states that a run can go on from. The row is the publication, as with every file."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.storage.blobs import StoredFile
from app.storage.database import now
from app.storage.tables import CheckpointRow, RunRow

KEPT = {"training": 2, "statistics": 1}
"""How many of each phase: one to go on from, and the one before it should the newest be damaged."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file with a state, and how far training was: `step` steps of `epoch` (from 1), if the phase is "training"."""

    file: StoredFile
    phase: Literal["training", "statistics"]
    epoch: int
    step: int


def add(session: Session, run: RunRow, attempt: int, made: Checkpoint) -> list[str]:
    """Records the newest checkpoint; answers the keys of those it replaces, to be removed once that is committed.

    The caller holds the run's job. One that the same attempt has got past is ignored: it was recorded already, by a
    transaction of which nobody learned that it was committed, and may be replaced since. A later attempt may begin
    behind the one before it, where it fell back to an older state: what it makes is then what counts.
    """
    recorded = of_run(session, run.id)
    if any(row.key == made.file.key for row in recorded):
        return []
    if any(_position(row) >= _position(made) for row in recorded if row.attempt == attempt):
        return []
    last = max((row.number for row in recorded), default=0)
    row = CheckpointRow(
        run_id=run.id,
        number=last + 1,
        project=run.project,
        attempt=attempt,
        key=made.file.key,
        bytes=made.file.bytes,
        sha256=made.file.sha256,
        phase=made.phase,
        epoch=made.epoch,
        step=made.step,
        created_at=session.scalar(select(now())) or 0.0,
    )
    session.add(row)
    session.flush()
    old = [row for row in of_run(session, run.id) if row.phase == made.phase][KEPT[made.phase] :]
    for gone in old:
        session.delete(gone)
    session.flush()
    return [gone.key for gone in old]


def of_run(session: Session, run_id: str) -> Sequence[CheckpointRow]:
    """Newest first."""
    query = select(CheckpointRow).where(CheckpointRow.run_id == run_id).order_by(CheckpointRow.number.desc())
    return session.scalars(query).all()


def still_named(session: Session, keys: Collection[str]) -> set[str]:
    """Those of `keys` that rows name: their files must stay, whatever was answered earlier in the transaction."""
    return set(session.scalars(select(CheckpointRow.key).where(CheckpointRow.key.in_(keys))))


def forget_statistics(session: Session, run_id: str) -> None:
    """Drops the states that nobody goes on from once the run has ended; the sweep takes their files."""
    of_phase = (CheckpointRow.run_id == run_id, CheckpointRow.phase == "statistics")
    session.execute(delete(CheckpointRow).where(*of_phase))


def file_of(row: CheckpointRow) -> StoredFile:
    return StoredFile(row.key, row.bytes, row.sha256)


def _position(place: Checkpoint | CheckpointRow) -> tuple[bool, int, int]:
    """Grows from one checkpoint of an attempt to the next."""
    return place.phase == "statistics", place.epoch, place.step

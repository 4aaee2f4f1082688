"""Going on with a run that has ended: as a new run with a checkpoint of its own, copied from the old one's.

The two are independent from then on, and the old one is only read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Damaged, NotFound, Unavailable
from app.storage import checkpoints, copies, events, inherited_epochs, jobs, runs
from app.storage.blobs import Blobs, StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.identifiers import new_id
from app.storage.inherited_epochs import INHERITED
from app.storage.runs import Submission
from app.storage.tables import CheckpointRow, EpochRow, RunRow
from app.storage.workfolders import work_folder


@dataclass(frozen=True, slots=True)
class Source:
    """A run that has ended: how many `epochs` it reported, and its states of training, newest first."""

    run: RunRow
    epochs: int
    checkpoints: Sequence[CheckpointRow]

    @property
    def least_bytes(self) -> int:
        """What a copy of any of the states takes at the least."""
        return min(row.bytes for row in self.checkpoints)


@dataclass(slots=True)
class Inheritance:
    """A state of `source` that was copied to `file` for the run `run_id`.

    `passed_over`: how many newer ones could not be read. `recorded`: the rows that name the file are written.
    """

    source: Source
    run_id: str
    file: StoredFile
    checkpoint: CheckpointRow
    passed_over: int
    recorded: bool = False

    @property
    def epochs(self) -> int:
        """How many whole epochs are behind the state."""
        return self.checkpoint.epoch - 1


def find(session: Session, project: str, run_id: str) -> Source:
    """Raises `NotFound`, and `Conflict` while the run has not ended or where it has no state to go on from."""
    run = runs.get(session, project, run_id)
    if run.job.status not in jobs.ENDED:
        raise Conflict(f"the run is {run.job.status}: it goes on by itself until it has ended", code="run_not_ended")
    states = [row for row in checkpoints.of_run(session, run_id) if row.phase == "training"]
    if not states:
        raise Conflict(
            "the run ended before its first checkpoint: there is nothing to go on from, submit it anew",
            code="no_checkpoint",
        )
    epochs = session.scalar(select(func.max(EpochRow.epoch)).where(EpochRow.run_id == run_id)) or 0
    return Source(run, epochs, states)


@contextmanager
def inherited(blobs: Blobs, source: Source) -> Iterator[Inheritance]:
    """Copies the newest state that can be read, for a run to be; the copy is removed again unless that is recorded.

    Raises `Conflict` where no state can be read, `StorageFull` where there is no room for a copy, and
    `StorageUnavailable` where the disk fails.
    """
    run_id, keep = new_id("run"), False
    # The lock keeps the sweep away until the rows are written.
    with work_folder(blobs, run_id):
        try:
            found = _copied(blobs, source, run_id)
            try:
                yield found
                keep = found.recorded
            except Unavailable:
                # The database may have committed before it went away. If not, no row names the file: it is swept.
                keep = found.recorded
                raise
        finally:
            if not keep:
                blobs.remove(f"runs/{run_id}")


def record(
    session: Session, project: str, state: Inheritance, wanted: Submission, *, new_horizon: bool = False
) -> RunRow:
    """Records the new run with all that it inherits, in the caller's one transaction; its job is on the queue.

    Raises `NotFound` for an old run or a dataset that was deleted meanwhile.
    """
    # Locked, so that it is not deleted while its epochs are copied.
    old = runs.get(session, project, state.source.run.id, lock=True)
    run = runs.submit(session, project, wanted, state.run_id)
    run.resumed_from = old.id
    # A state that the old run itself has only inherited knows nothing yet of the horizon that was asked of it.
    run.new_horizon = new_horizon or (old.new_horizon and state.checkpoint.attempt == INHERITED)
    for message in _told(state):
        events.append(session, run, INHERITED, "log", {"message": message})
    place = state.checkpoint
    checkpoints.add(session, run, INHERITED, Checkpoint(state.file, "training", place.epoch, place.step))
    inherited_epochs.copy(session, old, run, state.epochs)
    state.recorded = True
    return run


def _copied(blobs: Blobs, source: Source, run_id: str) -> Inheritance:
    for passed_over, row in enumerate(source.checkpoints):
        key = f"runs/{run_id}/inherited/checkpoint.safetensors"
        try:
            file = copies.copy(blobs, checkpoints.file_of(row), key)
        except (Damaged, NotFound):
            blobs.remove(f"runs/{run_id}")
            continue
        return Inheritance(source, run_id, file, row, passed_over)
    raise Conflict(
        f"none of the run's checkpoints can be read: {len(source.checkpoints)} are damaged or missing",
        code="no_checkpoint",
    )


def _told(state: Inheritance) -> Iterator[str]:
    place = state.checkpoint
    if state.passed_over == 1:
        yield "the newest checkpoint is damaged; the one before it is used"
    elif state.passed_over:
        yield f"the newest {state.passed_over} checkpoints are damaged; the one before them is used"
    where = f"step {place.step} of epoch {place.epoch}" if place.step else f"epoch {state.epochs}"
    yield f"goes on with run {state.source.run.id} after {where}"

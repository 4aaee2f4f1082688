"""What the sweep takes of jobs: folders of runs and others that are gone, and what attempts left behind that are over.

Each has a folder of its own, with one below it for each of its attempts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.storage import jobs
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.job_tables import BatchPredictionRow
from app.storage.tables import ArtifactRow, CheckpointRow, JobRow, RunRow
from app.storage.trees import (
    Removed,
    batches,
    changed_at,
    children,
    failures_told,
    files_under,
    key_of,
    remove,
    remove_empty,
)
from app.storage.workfolders import nobody_works

ATTEMPT = re.compile(r"attempt-([0-9]{1,9})", re.ASCII)
INHERITED = "inherited"


@dataclass(frozen=True, slots=True)
class State:
    """The status of a job, and its latest attempt."""

    status: str
    attempt: int

    @property
    def ended(self) -> bool:
        return self.status in jobs.ENDED

    def over(self, name: str) -> bool:
        """Whether a folder of the run is an attempt's that can publish nothing any more."""
        found = ATTEMPT.fullmatch(name)
        if found is None or self.ended:
            return found is not None
        # An attempt of a higher number is not known here, as after a restored backup: it may begin any moment.
        number = int(found[1])
        return number < self.attempt or (number == self.attempt and self.status != "running")


def sweep_attempts(database: Database, blobs: Blobs, before: float, removed: Removed) -> None:
    """Sweeps `runs/` and `jobs/`.

    Folders of what is unknown, and what a run inherits, stay where they changed after `before`, in seconds since 1970.
    """
    for room, prefix, rows in (("runs", "run_", _runs), ("jobs", "job_", _jobs)):
        for batch in batches(_folders(blobs, room, prefix)):
            # Folders first, rows second: a run that is submitted meanwhile is not among them.
            states, named = rows(database, [folder.name for folder in batch])
            for folder in batch:
                with failures_told(blobs.root, folder):
                    state = states.get(folder.name)
                    if state is None:
                        _sweep_unknown(folder, before, removed)
                    else:
                        unnamed = [file for file in files_under(folder) if key_of(blobs.root, file) not in named]
                        _sweep_known(folder, unnamed, state, before, removed)


def _folders(blobs: Blobs, room: str, prefix: str) -> list[Path]:
    """The folders in a room but those for which somebody is about to write the row."""
    found: list[Path] = []
    for path in children(blobs.root / room):
        if path.name.startswith(prefix):
            with failures_told(blobs.root, path):
                if nobody_works(blobs, path.name):
                    found.append(path)
    return found


def _runs(database: Database, run_ids: Sequence[str]) -> tuple[Mapping[str, State], set[str]]:
    """The state of each run that there is, and the keys of all files that these runs name."""
    with database.read() as session:
        # States first, names second. An attempt that is over when its state is read never holds its job again, and what
        # it names it has named by then, in transactions that checked that it was not over: so the names are complete
        # for it. The other way round it could name files and end in between, because on PostgreSQL each statement sees
        # what was committed when it began.
        query = select(RunRow.id, JobRow.status, JobRow.attempt).join(JobRow, RunRow.job_id == JobRow.id)
        states = {row[0]: State(row[1], row[2]) for row in session.execute(query.where(RunRow.id.in_(run_ids)))}
        artifacts = session.scalars(select(ArtifactRow.key).where(ArtifactRow.run_id.in_(run_ids))).all()
        checkpoints = session.scalars(select(CheckpointRow.key).where(CheckpointRow.run_id.in_(run_ids))).all()
    return states, {*artifacts, *checkpoints}


def _jobs(database: Database, job_ids: Sequence[str]) -> tuple[Mapping[str, State], set[str]]:
    """Likewise of jobs that are no runs."""
    with database.read() as session:
        # In the same order, for the same reason.
        query = select(JobRow.id, JobRow.status, JobRow.attempt).where(JobRow.id.in_(job_ids), JobRow.kind != "run")
        states = {row[0]: State(row[1], row[2]) for row in session.execute(query)}
        files = select(BatchPredictionRow.key).where(BatchPredictionRow.job_id.in_(job_ids))
        return states, {key for key in session.scalars(files) if key is not None}


def _sweep_unknown(folder: Path, before: float, removed: Removed) -> None:
    # It may be one whose row is still to come, or one that a person has just brought here.
    if changed_at(folder) <= before:
        remove(folder, removed)


def _sweep_known(folder: Path, unnamed: Sequence[Path], state: State, before: float, removed: Removed) -> None:
    for file in unnamed:
        part = file.relative_to(folder).parts[0]
        if state.over(part) or (part == INHERITED and changed_at(file) <= before):
            remove(file, removed)
    for child in children(folder):
        if state.over(child.name):
            remove_empty(child, removed)
    if state.ended:
        # Before that, the next attempt may be about to make its folder in it.
        remove_empty(folder, removed)

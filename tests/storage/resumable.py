"""Runs that have ended with checkpoints, and all that is left of them."""

from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select

from app.domain.plan.settings import TrainingSettings
from app.storage import checkpoints, events, records, resumption, runs
from app.storage.base import Base
from app.storage.blobs import Blobs
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database
from app.storage.jobs import Claim
from app.storage.resumption import Source
from app.storage.runs import Submission
from app.storage.tables import CheckpointRow, RunRow
from app.storage.workfolders import LOCK
from tests.storage.rows import PROJECT, add_run, claim, submission

Json = dict[str, Any]
LOSSES = (0.9, 0.5, 0.7, 0.6, 0.4)
"""Of each epoch: the best of the first four is the second."""


def report(epoch: int) -> Json:
    measured = {"loss": LOSSES[epoch - 1], "accuracy": 1 - LOSSES[epoch - 1]}
    parts = {"train": measured, "train_eval": measured, "validation": measured}
    return {"epoch": epoch, "learning_rate": 0.1, "seconds": 1.0, "rows_per_second": 50.0 + epoch, **parts}


def measured(epoch: int) -> Json:
    return {name: report(epoch)[name] for name in ("epoch", "train", "train_eval", "validation")}


def train(database: Database, blobs: Blobs, held: Claim, *places: tuple[int, int], phase: Any = "training") -> None:
    """Reports every epoch, and writes checkpoints after the given steps of the given epochs."""
    with database.write() as session:
        run_id = runs.of_job(session, held.job_id).id
        records.started(session, held, {"python": "3.11"})
        best = min(range(1, len(LOSSES) + 1), key=lambda epoch: LOSSES[epoch - 1])
        for epoch in range(1, len(LOSSES) + 1):
            metrics = {"last": measured(epoch), "best": measured(best)}
            records.epoch(session, held, report(epoch), {"epoch": epoch}, metrics)
        for number, (epoch, step) in enumerate(places, 1):
            key = f"runs/{run_id}/attempt-{held.attempt}/checkpoint-{number}.safetensors"
            file = blobs.write(key, f"state {number} of {run_id}".encode())
            records.checkpoint(session, held, Checkpoint(file, phase, epoch, step))


def cancelled(database: Database, blobs: Blobs, *places: tuple[int, int], **changes: Any) -> str:
    """A run with five epochs and these checkpoints, cancelled while it was running; answers its id."""
    run_id = add_run(database, training=TrainingSettings(seed=7, epochs=9), **changes)
    held = claim(database)
    train(database, blobs, held, *places)
    with database.write() as session:
        records.cancelled(session, held)
    return run_id


def found(database: Database, run_id: str) -> Source:
    with database.read() as session:
        return resumption.find(session, PROJECT, run_id)


def wanted(source: Source, **changes: Any) -> Submission:
    return submission(source.run.dataset_id, training=runs.training_of(source.run), **changes)


def go_on(database: Database, blobs: Blobs, run_id: str, *, new_horizon: bool = False) -> RunRow:
    """What a POST does."""
    source = found(database, run_id)
    with resumption.inherited(blobs, source) as state, database.write() as session:
        return resumption.record(session, PROJECT, state, wanted(source), new_horizon=new_horizon)


def rows_of(database: Database, run_id: str) -> dict[str, list[Json]]:
    """Everything that is recorded of a run, its job included."""
    with database.read() as session:
        run = runs.get(session, PROJECT, run_id)
        keys = {"runs": ("id", run_id), "jobs": ("id", run.job_id)}
        kept = {}
        for table in Base.metadata.sorted_tables:
            name, value = keys.get(table.name, ("run_id", run_id))
            if name in table.c:
                kept[table.name] = _rows(session.execute(select(table).where(table.c[name] == value)), table)
        return kept


def _rows(result: Any, table: Table) -> list[Json]:
    return sorted(
        (dict(row._mapping) for row in result), key=lambda row: [str(row[key.name]) for key in table.primary_key]
    )


def log_of(database: Database, run_id: str) -> list[str]:
    with database.read() as session:
        return [event.data["message"] for event in events.after(session, run_id, 0) if event.kind == "log"]


def inherited_state(database: Database, run_id: str) -> CheckpointRow:
    with database.read() as session:
        (row,) = checkpoints.of_run(session, run_id)
        return row


def files(blobs: Blobs) -> list[str]:
    """Every file and folder in the data folder but those of old runs' attempts, and locks of who works there now."""
    listed = [path.relative_to(blobs.root) for part in ("incoming", "runs") for path in (blobs.root / part).rglob("*")]
    locks = {path.parent for path in listed if path.name == LOCK} | {path for path in listed if path.name == LOCK}
    found = {path for path in listed if "inherited" in path.parts or path.parts[0] == "incoming"}
    return sorted(str(path) for path in found - locks)


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(RunRow)) or 0


def flip_a_bit(blobs: Blobs, run_id: str, number: int) -> Path:
    path = blobs.path(f"runs/{run_id}/attempt-1/checkpoint-{number}.safetensors")
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    return path


def delete(database: Database, blobs: Blobs, run_id: str) -> None:
    with database.write() as session:
        folder = runs.remove(session, PROJECT, run_id)
    blobs.remove(folder)

"""The sweep: removes files that no row names and that nobody can publish any more, and rows that nobody needs.

Any number of processes may sweep at once, while everything else goes on. What it does not know it leaves alone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.storage import idempotency, workers
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.installation import belong_together
from app.storage.model_tables import ModelRow
from app.storage.swept_attempts import sweep_attempts
from app.storage.tables import DatasetRow
from app.storage.trees import Removed, batches, changed_at, children, failures_told, key_of, remove
from app.storage.workfolders import nobody_works, unused

GRACE_SECONDS = 3600.0
KEYS_KEPT_SECONDS = 7 * 86_400.0
WORKERS_KEPT_SECONDS = 86_400.0
ROWS_AT_ONCE = 500
_LOG = logging.getLogger("dropnorm.storage")


@dataclass(slots=True)
class Swept(Removed):
    """What went: files and folders of the data folder, and rows."""

    idempotency_keys: int = 0
    workers: int = 0

    def __bool__(self) -> bool:
        return self != Swept()

    def __str__(self) -> str:
        return (
            f"{self.files} files ({self.bytes} bytes), {self.folders} folders, "
            f"{self.idempotency_keys} idempotency keys, {self.workers} workers"
        )


def sweep(database: Database, blobs: Blobs, grace_seconds: float = GRACE_SECONDS) -> Swept:
    """Sweeps once. What may get its row yet is left alone for `grace_seconds`, and so are folders of unknown runs.

    A file that cannot be removed is logged and left to the next time. Raises `Unavailable`, and `OSError` where the
    data folder cannot be read.
    """
    swept, before = Swept(), time.time() - grace_seconds
    _sweep_incoming(blobs, before, swept)
    if _anything_kept(database) and _belong_together(database, blobs):
        _sweep_datasets(database, blobs, before, swept)
        sweep_attempts(database, blobs, before, swept)
    swept.idempotency_keys = _forget(database, idempotency.forget, KEYS_KEPT_SECONDS)
    swept.workers = _forget(database, workers.forget, WORKERS_KEPT_SECONDS)
    return swept


def _anything_kept(database: Database) -> bool:
    """Whether anything was ever kept here: a blank database beside files is the wrong one rather than a proof."""
    with database.read() as session:
        return any(session.scalar(select(table.id).limit(1)) is not None for table in (DatasetRow, ModelRow))


def _belong_together(database: Database, blobs: Blobs) -> bool:
    if belong_together(database, blobs):
        return True
    _LOG.error("the data folder does not belong to this database: nothing that it does not name is removed")
    return False


def _sweep_incoming(blobs: Blobs, before: float, swept: Swept) -> None:
    for path in children(blobs.root / "incoming"):
        with failures_told(blobs.root, path):
            if changed_at(path) <= before:
                with unused(path) as free:
                    if free:
                        remove(path, swept)


def _sweep_datasets(database: Database, blobs: Blobs, before: float, swept: Swept) -> None:
    # Whoever publishes a dataset holds the lock on its work folder until the row is committed. So what is listed
    # first, then found without a lock, and then without a row, is never named.
    for batch in batches(_columns_left(blobs, before)):
        with database.read() as session:
            keys = [key_of(blobs.root, path) for path in batch]
            named = set(session.scalars(select(DatasetRow.folder).where(DatasetRow.folder.in_(keys))))
        for path in batch:
            if key_of(blobs.root, path) not in named:
                with failures_told(blobs.root, path):
                    remove(path, swept)


def _columns_left(blobs: Blobs, before: float) -> list[Path]:
    """Folders of columns whose row nobody is about to write."""
    left: list[Path] = []
    for path in children(blobs.root / "datasets"):
        if path.name.startswith("columns_"):
            with failures_told(blobs.root, path):
                if nobody_works(blobs, path.name.removeprefix("columns_")) and changed_at(path) <= before:
                    left.append(path)
    return left


def _forget(database: Database, forget: Callable[[Session, float, int], int], older_than_seconds: float) -> int:
    """Deletes rows, some in each transaction, so that nobody waits for long."""
    total, count = 0, ROWS_AT_ONCE
    while count == ROWS_AT_ONCE:
        with database.write() as session:
            count = forget(session, older_than_seconds, ROWS_AT_ONCE)
        total += count
    return total

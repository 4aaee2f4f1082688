"""A data folder with its database, runs submitted to it, and real `dropnorm worker` processes that take them."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from sqlalchemy import select, text

from app.domain.data.columns import LAYOUT, Columns
from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.failpoints import VARIABLE
from app.storage import checkpoints, datasets, events, jobs, migrations, models, runs, workers
from app.storage.blobs import Blobs, StoredFile
from app.storage.database import Database
from app.storage.datasets import Upload
from app.storage.runs import Submission
from app.storage.tables import ArtifactRow, CheckpointRow, DatasetRow, EventRow, RunRow
from tests.worker.processes import until

PROJECT = "default"
LAYERS: list[dict[str, Any]] = [
    {"type": "dense", "units": 16, "use_bias": False},
    {"type": "batch_normalization"},
    {"type": "activation", "function": "relu"},
    {"type": "dropout", "rate": 0.3},
    {"type": "dense"},
]


class Workplace:
    """Where workers meet runs, without any web; on SQLite in its folder, or on the empty database at `url`."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.data_dir = folder / "data"
        self.blobs = Blobs(self.data_dir)
        self.url = url or f"sqlite:///{self.data_dir / 'dropnorm.db'}"
        self.database = Database(self.url)
        migrations.upgrade(self.database)

    def add(self, columns: Columns) -> str:
        """Stores columns as a dataset; answers its id."""
        work = self.blobs.incoming()
        for name in LAYOUT:
            (work / f"{name}.bin").write_bytes(getattr(columns, name).tobytes())
        folder = datasets.new_folder(work)
        files = self.blobs.publish_folder(work, folder)
        with self.database.write() as session:
            upload = Upload("5" * 64, 1, "c" * 64)
            row = datasets.add(session, PROJECT, "flowers", upload, folder, files, columns.schema)
        return row.id

    def dataset(self, dataset_id: str) -> DatasetRow:
        with self.database.read() as session:
            return datasets.get(session, PROJECT, dataset_id)

    def submit(
        self, dataset: str, validation: str | None = None, layers: list[dict[str, Any]] | None = None, **training: Any
    ) -> str:
        """Queues a run; answers its id. `training` are its settings."""
        wanted = Submission(
            dataset_id=dataset,
            validation_dataset_id=validation,
            network_id=None,
            network=NetworkSpec.model_validate({"layers": layers or LAYERS}),
            model="flowers",
            training=TrainingSettings.model_validate({"seed": 7, "epochs": 3, "batch_size": 16, **training}),
            tags=[],
        )
        with self.database.write() as session:
            return runs.submit(session, PROJECT, wanted).id

    def run(self, run_id: str) -> RunRow:
        with self.database.read() as session:
            return runs.get(session, PROJECT, run_id)

    def epochs(self, run_id: str) -> int:
        """How many epochs are written down."""
        with self.database.read() as session:
            return len(runs.epochs(session, run_id))

    def events(self, run_id: str) -> list[EventRow]:
        with self.database.read() as session:
            return list(events.after(session, run_id, 0))

    def files(self, run_id: str) -> dict[str, StoredFile]:
        with self.database.read() as session:
            return models.artifacts(session, PROJECT, run_id)

    def digests(self, run_id: str) -> dict[str, str]:
        """The digest of each published file, checked against the bytes that lie there."""
        files = self.files(run_id)
        for file in files.values():
            self.blobs.check(file)
        return {name: file.sha256 for name, file in files.items()}

    def cancel(self, run_id: str) -> None:
        with self.database.write() as session:
            runs.cancel(session, PROJECT, run_id)

    def cancel_job(self, job_id: str) -> None:
        """Ends a batch prediction that some attempt of this process holds."""
        with self.database.write() as session:
            session.execute(
                text("UPDATE jobs SET status = 'cancelled', lease_until = NULL, finished_at = 1 WHERE id = :id"),
                {"id": job_id},
            )

    def expire(self, run_id: str) -> None:
        """Lets the lease of a run be over."""
        with self.database.write() as session:
            statement = text("UPDATE jobs SET lease_until = lease_until - 1000 WHERE id = :id")
            session.execute(statement, {"id": self.run(run_id).job_id})

    def with_checkpoint(self, run_id: str) -> None:
        """Waits until a checkpoint of a run is recorded."""

        def seen() -> bool:
            with self.database.read() as session:
                return bool(checkpoints.of_run(session, run_id))

        until(seen, 60)

    def unnamed(self) -> set[str]:
        """The files of runs that no row names."""
        with self.database.read() as session:
            named = set(session.scalars(select(ArtifactRow.key))) | set(session.scalars(select(CheckpointRow.key)))
        there = {str(path.relative_to(self.data_dir)) for path in (self.data_dir / "runs").rglob("*") if path.is_file()}
        return there - named

    def writable(self) -> bool:
        """Whether nobody holds the write lock now."""
        try:
            with closing(
                sqlite3.connect(self.data_dir / "dropnorm.db", timeout=0.1, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def ended(self, run_id: str, seconds: float = 90) -> RunRow:
        """Waits until a run has ended."""
        return until(lambda: run if (run := self.run(run_id)).job.status in jobs.ENDED else None, seconds)

    def in_the_middle(self, run_id: str, attempt: int = 1) -> RunRow:
        """Waits until an attempt of a run has some epochs behind it."""

        def seen() -> RunRow | None:
            run = self.run(run_id)
            assert run.job.status not in jobs.ENDED, "the run ended before it could be disturbed"
            with self.database.read() as session:
                epochs = sum(row.attempt == attempt for row in runs.epochs(session, run_id))
            return run if epochs > 1 else None

        return until(seen, 60)


class WorkerProcess:
    """A `dropnorm worker` in a session of its own, killed at the end of the `with`, its trainer with it.

    `settings` are `DROPNORM_` variables in lower case; `failpoint` is where it is to die (see `app.failpoints`);
    `before` is called in it before it begins.
    """

    def __init__(
        self, workplace: Workplace, failpoint: str = "", before: Callable[[], None] | None = None, **settings: str
    ) -> None:
        self.workplace = workplace
        given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
        settings = {"data_dir": str(workplace.data_dir), "database_url": workplace.url, **settings}
        given |= {f"DROPNORM_{name.upper()}": value for name, value in settings.items()} | {VARIABLE: failpoint}
        command = [sys.executable, "-m", "app.cli", "worker"]
        self.process = subprocess.Popen(command, env=given, start_new_session=True, preexec_fn=before)

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(30)

    def ready(self) -> "WorkerProcess":
        """Waits until it has been seen as a worker."""

        def seen() -> bool:
            with self.workplace.database.read() as session:
                return workers.seen_within(session, 30)

        until(seen, 60)
        return self

    def trainer(self, run_id: str) -> psutil.Process:
        """The process that computes a run, by its title."""

        def found() -> psutil.Process | None:
            for child in self.children():
                try:
                    if run_id in " ".join(child.cmdline()):
                        return child
                except psutil.NoSuchProcess:
                    continue
            return None

        return until(found, 60)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def signalled(self, number: signal.Signals) -> int:
        """Its exit status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)

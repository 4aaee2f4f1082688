"""Where a storm takes place: a fresh data folder and database, all runs submitted there, and what each must come to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, make_url, select

from app.errors import Conflict
from app.storage import runs
from app.storage.jobs import ENDED
from app.storage.runs import Submission
from app.storage.tables import JobRow, RunRow
from tests.chaos import audit
from tests.chaos.kinds import Kind
from tests.worker.conftest import flowers
from tests.worker.workplace import PROJECT, Workplace

MANY_CRASHES = 1_000
"""So that no run is given up for the storm's own killing: here three crashes before a checkpoint may well happen."""


@dataclass
class Sent:
    """A run of a storm; `cancelled` is what its cancel was answered with, if somebody asked: accepted or not."""

    run_id: str
    kind: Kind
    cancelled: bool | None = None


@dataclass(frozen=True)
class Undisturbed:
    """What a run of a kind leaves when nothing happens to it: its files' digests, and its epochs' reports."""

    digests: dict[str, str]
    epochs: list[dict[str, Any]]


@dataclass
class Arena:
    """A workplace with a record of every write, and all runs that were sent there."""

    folder: Path
    url: str | None = None
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The workers' connections have names of their own.
        own = make_url(self.url).update_query_dict({"application_name": audit.HARNESS}) if self.url else None
        self.place = Workplace(self.folder, own.render_as_string(hide_password=False) if own else None)
        audit.watch(self.place.database)
        self._datasets = {numbers: self.place.add(flowers(numbers=numbers)) for numbers in (False, True)}

    @property
    def settings(self) -> dict[str, str]:
        """The variables by which a worker finds this place."""
        address = {"DROPNORM_DATABASE_URL": self.url} if self.url else {}
        return {"DROPNORM_DATA_DIR": str(self.place.data_dir.resolve()), **address}

    def send(self, kind: Kind, *, priority: int = 0) -> Sent:
        """Submits a run."""
        wanted = Submission(
            dataset_id=self._datasets[kind.numbers],
            validation_dataset_id=None,
            network_id=None,
            network=kind.network,
            model="lengths" if kind.numbers else "flowers",
            training=kind.settings,
            tags=[],
        )
        with self.place.database.write() as session:
            run = runs.submit(session, PROJECT, wanted)
            run.job.priority, run.job.max_crashes = priority, MANY_CRASHES
            sent = Sent(run.id, kind)
        self.sent.append(sent)
        return sent

    def cancel(self, sent: Sent) -> None:
        """Asks a run to stop, and keeps the answer."""
        try:
            self.place.cancel(sent.run_id)
            sent.cancelled = True
        except Conflict:
            sent.cancelled = False

    def unfinished(self) -> int:
        """How many runs are queued or running."""
        with self.place.database.read() as session:
            return session.scalar(select(func.count()).where(JobRow.status.not_in(ENDED))) or 0

    def holds(self, run_id: str, attempt: int) -> bool:
        """Whether an attempt is the one that a run is being computed by."""
        query = select(JobRow.id).join(RunRow, RunRow.job_id == JobRow.id)
        with self.place.database.read() as session:
            held = query.where(RunRow.id == run_id, JobRow.attempt == attempt, JobRow.status == "running")
            return session.scalar(held) is not None

    def left(self, run_id: str) -> Undisturbed:
        """What a run has left."""
        told = [event.data for event in self.place.events(run_id) if event.kind == "epoch"]
        return Undisturbed(self.place.digests(run_id), [timeless(report) for report in told])

    def close(self) -> None:
        self.place.database.close()


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    """An epoch's report without what depends on the machine's speed."""
    return {name: value for name, value in report.items() if name not in ("seconds", "rows_per_second")}

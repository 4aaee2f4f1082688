"""Which run answers for a model's name: kept in memory, so that a prediction asks no database.

One poller reads the known names anew twice a second and forgets the runs that are gone; a name that is not known is
asked for once; a process that changes something refreshes before it answers.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from orjson import dumps

from app.errors import DropnormError, NotFound
from app.serving.readings import Readings
from app.storage import model_records, models, runs
from app.storage.blobs import StoredFile
from app.storage.database import Database
from app.storage.model_records import ModelRecord

POLL_SECONDS = 0.5
SERVING = "serving"
LARGEST = 10_000
_LOG = logging.getLogger("dropnorm.serving")


@dataclass(frozen=True)
class Served:
    """What answers: a run's files, and the name and number that they go by (None for a run asked directly)."""

    project: str
    run_id: str
    model: str | None
    version: int | None
    files: Mapping[str, StoredFile] = field(compare=False)

    @cached_property
    def head(self) -> bytes:
        """How a JSON answer begins."""
        named = {"model": self.model, "version": self.version, "run": self.run_id, "mode": "eval"}
        return dumps(named)[:-1] + b',"predictions":['


class Catalogue:
    """Thread-safe. `find` and its like touch no database; `learn` does, and is called off the event loop.

    `gone` is told of each run that another process deleted, and of each that a model has no more.
    """

    def __init__(self, database: Database, gone: Callable[[str], None]) -> None:
        self._database, self._gone = database, gone
        self._models: Readings[tuple[str, str], ModelRecord] = Readings(LARGEST)
        self._files: Readings[tuple[str, str], Mapping[str, StoredFile]] = Readings(LARGEST)
        self._served: dict[tuple[str, str, int, str], Served] = {}
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="catalogue", daemon=True)

    def start(self) -> None:
        self._poller.start()

    def stop(self) -> None:
        self._stop.set()

    def find(self, project: str, name: str, *, version: int | None = None, alias: str | None = None) -> Served | None:
        """What answers for a name as far as is known here; None when the database must be asked (`learn`)."""
        record = self._models.get((project, name))
        if record is None:
            return None
        number = version if version is not None else _number(record, alias)
        run_id = record.versions.get(number) if number is not None else None
        files = self._files.get((project, run_id)) if run_id is not None else None
        if number is None or run_id is None or files is None:
            return None
        key = (project, name, number, run_id)
        served = self._served.get(key)
        if served is None or served.files is not files:
            if len(self._served) >= LARGEST:
                self._served.clear()
            served = self._served[key] = Served(project, run_id, name, number, files)
        return served

    def find_run(self, project: str, run_id: str) -> Served | None:
        files = self._files.get((project, run_id))
        return Served(project, run_id, None, None, files) if files else None

    def learn(self, project: str, name: str, *, version: int | None = None, alias: str | None = None) -> Served:
        """Asks the database about a name. Raises `NotFound` for what it does not know either."""
        record = self.refresh(project, name)
        if record is None:
            raise NotFound("there is no such model", code="model_not_found")
        number = version if version is not None else _number(record, alias)
        if number is None or number not in record.versions:
            raise _missing(name, version, alias)
        run_id = record.versions[number]
        begun = self._files.begin()
        with self._database.read() as session:
            files = models.artifacts(session, project, run_id)
        self._files.keep((project, run_id), files, begun)
        return Served(project, run_id, name, number, files)

    def learn_run(self, project: str, run_id: str) -> Served:
        """Asks the database about a run. Raises `NotFound`, also for one that has no model (yet)."""
        begun = self._files.begin()
        with self._database.read() as session:
            run = runs.get(session, project, run_id)
            files = models.artifacts(session, project, run_id)
        if not files:
            raise NotFound(f"the run is {run.job.status} and has no model", code="run_without_model")
        self._files.keep((project, run_id), files, begun)
        return Served(project, run_id, None, None, files)

    def refresh(self, project: str, name: str) -> ModelRecord | None:
        """Reads one name anew; None where there is no such model."""
        return self._read([(project, name)]).get((project, name))

    def knows(self, project: str, name: str, version: int) -> bool:
        """False when a name is held here that lacks this version, and so must be read anew."""
        record = self._models.get((project, name))
        return record is None or version in record.versions

    def forget_run(self, project: str, run_id: str) -> None:
        self._files.drop((project, run_id))

    def _read(self, names: list[tuple[str, str]]) -> dict[tuple[str, str], ModelRecord]:
        begun = self._models.begin()
        with self._database.read() as session:
            records = model_records.records(session, names)
        for name in names:
            before = self._models.get(name)
            if name in records:
                self._models.keep(name, records[name], begun)
            else:
                self._models.drop(name)
            self._forget_deleted(before, records.get(name))
        return records

    def _forget_deleted(self, before: ModelRecord | None, after: ModelRecord | None) -> None:
        """What a deleted version answered with leaves the memory; its run, asked directly, is read again."""
        kept = set(after.versions.values()) if after is not None else set()
        for run_id in set(before.versions.values()) - kept if before is not None else ():
            self._gone(run_id)

    def _forget_gone(self, known: list[tuple[str, str]]) -> None:
        with self._database.read() as session:
            published = models.published(session, [run_id for _, run_id in known])
        for project, run_id in known:
            if run_id not in published:
                self._files.drop((project, run_id))
                self._gone(run_id)

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                if names := self._models.known():
                    self._read(names)
                if known := self._files.known():
                    self._forget_gone(known)
            except DropnormError as error:
                _LOG.warning("the catalogue could not be read: %s", error.detail)
            except Exception:  # noqa: BLE001 - it is logged, and read again
                # A poller that ends would leave this process with what it knows now, for ever.
                _LOG.exception("the catalogue could not be read")


def _number(record: ModelRecord, alias: str | None) -> int | None:
    if alias is not None:
        return record.aliases.get(alias)
    return record.aliases.get(SERVING, record.newest)


def _missing(name: str, version: int | None, alias: str | None) -> NotFound:
    if version is not None:
        return NotFound(f"model {name} has no version {version}", code="version_not_found")
    if alias is not None:
        return NotFound(f"model {name} has no alias {alias}", code="alias_not_found")
    return NotFound(f"model {name} has no versions", code="version_not_found")

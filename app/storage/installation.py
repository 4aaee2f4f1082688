"""A data folder and its database know one another by an id, so that neither is ever used with a stranger.

What a wrong database does not name would be swept; what a wrong folder does not hold, as one whose share is not
mounted, would fail every run. The database has the id in its one row of `installation`, the folder in a file of that
name. A folder without the file is given it only where that can be no mistake:

- neither holds anything yet: the database has no id and no dataset, the folder no columns, no run and no job; or
- every folder of columns that the database's newest datasets name lies there. Their names are random, so this is the
  folder, as after an upgrade or with a backup that lacks the file. What else lies there proves nothing against it: a
  backup of files is younger than its database, and a crash leaves orphans behind.

Else the two are refused, and a person says that they belong together: `adopt`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import StorageUnavailable
from app.storage.blobs import Blobs
from app.storage.database import Database, now
from app.storage.identifiers import new_id
from app.storage.service_tables import InstallationRow
from app.storage.tables import DatasetRow
from app.storage.trees import children
from app.storage.upserts import insert

NAME = "installation"
LOOKED_FOR = 20


class Installation:
    """Whether a folder is a database's, for whoever asks again and again: a share may be unmounted meanwhile."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs
        self._id: str | None = None

    def check(self) -> bool:
        """Whether the folder is the database's now.

        Until the database's id is known the database is asked, and a folder may be given the file. From then on this
        reads the file and does nothing else: False where it is gone or another's. Raises, until the id is known,
        `Unavailable` where the database does not answer, `StorageUnavailable` and `StorageFull` as the disk is.
        """
        if self._id is None:
            self._id = _settled(self._database, self._blobs)
        try:
            return self._id is not None and _read(self._blobs) == self._id
        except OSError:
            return False


def belong_together(database: Database, blobs: Blobs) -> bool:
    """Whether `blobs` is the data folder of `database`, asked once: see `Installation.check`."""
    return Installation(database, blobs).check()


def adopt(database: Database, blobs: Blobs) -> None:
    """Makes the folder this database's and nobody else's, because a person says so.

    Raises `Unavailable` and `StorageFull`.
    """
    with database.write() as session:
        known = _known_or(session, new_id(NAME))
    with _folder_failures_told():
        _write(blobs, known)


def _settled(database: Database, blobs: Blobs) -> str | None:
    """The database's id, once the folder has it too where that can be no mistake; none where it cannot have one yet."""
    with _folder_failures_told():
        # The file first: whoever writes it has committed the id before.
        written = _read(blobs)
        with database.read() as session:
            known = session.scalar(select(InstallationRow.id))
            folders = _newest_folders(session)
        if written is not None:
            return known
        if known is None and (_all_there(blobs, folders) if folders else _is_blank(blobs)):
            known = _begun(database, blobs)
        if known is not None and (_promise(blobs, known).exists() or _all_there(blobs, folders)):
            _write(blobs, known)
    return known


def _begun(database: Database, blobs: Blobs) -> str:
    """Gives the database an id; the id that it has in the end.

    A promise lies in the folder before that, so that the file can be written whatever is killed in between, and only
    there: a process on another machine, whose share is not mounted, finds the id in the database and no promise.
    """
    made = new_id(NAME)
    promise = _promise(blobs, made)
    blobs.write(promise.name, b"")
    with database.write() as session:
        known = _known_or(session, made)
    if known != made:
        promise.unlink(missing_ok=True)
    return known


def _known_or(session: Session, made: str) -> str:
    """The database's id, which is `made` where it had none."""
    row = insert(session, InstallationRow).values(place=1, id=made, created_at=select(now()).scalar_subquery())
    session.execute(row.on_conflict_do_nothing())
    return session.scalars(select(InstallationRow.id)).one()


def _newest_folders(session: Session) -> Sequence[str]:
    newest = func.max(DatasetRow.created_at).desc()
    return session.scalars(
        select(DatasetRow.folder).group_by(DatasetRow.folder).order_by(newest).limit(LOOKED_FOR)
    ).all()


def _all_there(blobs: Blobs, folders: Sequence[str]) -> bool:
    return bool(folders) and all((blobs.root / folder).is_dir() for folder in folders)


def _is_blank(blobs: Blobs) -> bool:
    rooms = {"datasets": "columns_", "runs": "run_", "jobs": "job_"}
    return not any(path.name.startswith(kind) for room, kind in rooms.items() for path in children(blobs.root / room))


def _promise(blobs: Blobs, known: str) -> Path:
    return blobs.root / f".{known}"


def _write(blobs: Blobs, known: str) -> None:
    blobs.write(NAME, f"{known}\n".encode())
    # The id is settled, so no promise is of use any more.
    for promise in blobs.root.glob(f".{NAME}_*"):
        promise.unlink(missing_ok=True)


def _read(blobs: Blobs) -> str | None:
    """The folder's id. A file that a power cut left empty is as good as none."""
    try:
        return (blobs.root / NAME).read_text(errors="replace").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def _folder_failures_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"the data folder cannot be read or written: {error.strerror}") from error

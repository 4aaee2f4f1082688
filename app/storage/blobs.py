"""Files under the data folder: written aside, synced, renamed, and only then named by a row.

A key is a relative path made by the service itself, such as `runs/run_x/attempt-1/weights.safetensors`.
"""

import errno
import hashlib
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import Damaged, NotFound
from app.storage import disks
from app.storage.disks import disk_failures_told
from app.storage.durable import make_folder, sync_folder, write_aside

CHUNK_BYTES = 1 << 20
_LOG = logging.getLogger("dropnorm.storage")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a row records of a published file."""

    key: str
    bytes: int
    sha256: str


class Blobs:
    """The data folder.

    Raises `StorageFull` where the disk has no room, `StorageUnavailable` where it cannot be read or written just now,
    `Damaged` where a digest is not as recorded.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        with disk_failures_told():
            for name in ("incoming", "datasets", "runs", "jobs"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def incoming(self, name: str | None = None) -> Path:
        """A new empty folder on the same file system, to work in before publication. Its name is its own for ever."""
        folder = self.root / "incoming" / (name or secrets.token_hex(16))
        with disk_failures_told():
            folder.mkdir()
        return folder

    def write(self, key: str, content: bytes) -> StoredFile:
        """Publishes `content` under `key`, over whatever stood there."""
        target = self._path(key)
        with disk_failures_told():
            make_folder(target.parent)
            try:
                write_aside(target, content)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                # After a failed sync nobody knows what of the file is on the disk: it is lost, and written anew.
                write_aside(target, content)
            sync_folder(target.parent)
        return StoredFile(key, len(content), hashlib.sha256(content).hexdigest())

    def publish_folder(self, folder: Path, key: str) -> list[StoredFile]:
        """Moves a finished folder of files to `key`, which no folder had before."""
        target = self._path(key)
        with disk_failures_told():
            files = [_synced(path, f"{key}/{path.name}") for path in sorted(folder.iterdir())]
            sync_folder(folder)
            make_folder(target.parent)
            folder.rename(target)
            sync_folder(target.parent)
        return files

    def read(self, file: StoredFile) -> bytes:
        """The whole file, its digest checked."""
        with self.open(file.key) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise _damaged(file)
        return content

    def check(self, file: StoredFile) -> None:
        """Raises `Damaged` where a file is not the one that was recorded; memory stays flat."""
        digest = hashlib.sha256()
        with self.open(file.key) as descriptor:
            while chunk := os.read(descriptor, CHUNK_BYTES):
                digest.update(chunk)
        if digest.hexdigest() != file.sha256:
            raise _damaged(file)

    @contextmanager
    def open(self, key: str) -> Iterator[int]:
        """A descriptor of a regular file that has this one name, or `NotFound`: links of any kind are refused."""
        path = self._path(key)
        with disk_failures_told():
            descriptor = _open_plain(path)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or path.parent.resolve() != path.parent:
                    raise _gone(path)
                yield descriptor
            finally:
                os.close(descriptor)

    def path(self, key: str) -> Path:
        """Where a key lies; for readers that map a file into memory."""
        return self._path(key)

    def remove(self, key: str) -> None:
        """Removes a published file or folder, if it is there. Its row must be gone before: the sweep takes the rest."""
        path = self._path(key)
        try:
            if path.is_dir():
                # Out of sight in one step, so that a reader never finds half a folder.
                path = path.rename(self.root / "incoming" / secrets.token_hex(16))
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("%s cannot be removed, and is left to the sweep: %s", key, error.strerror)

    def obstacle(self) -> str | None:
        """What keeps anything new from being begun, in words; None where nothing does."""
        return disks.obstacle(self.root)

    def _path(self, key: str) -> Path:
        path = self.root if "\0" in key else (self.root / key).resolve()
        if not path.is_relative_to(self.root) or path == self.root:
            raise NotFound("no such file", code="file_missing")
        return self.root / key


def _open_plain(path: Path) -> int:
    try:
        # Without O_NONBLOCK a planted FIFO would hold the reader until somebody writes to it.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if disks.failure_of(error) is not None:
            raise
        raise _gone(path) from error


def _gone(path: Path) -> NotFound:
    return NotFound(f"the stored file {path.name} is not there", code="file_missing")


def _damaged(file: StoredFile) -> Damaged:
    return Damaged(f"the stored file {Path(file.key).name} does not have the digest that was recorded")


def _synced(path: Path, key: str) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return StoredFile(key, size, digest.hexdigest())

"""What the system says of a disk, told as failures with a name, and whether a folder can be worked in."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import DropnormError, StorageFull, StorageUnavailable

LEAST_FREE_BYTES = 100 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNAVAILABLE = (
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.EBUSY,
    errno.ENODEV,
    errno.ENOLCK,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EREMOTEIO,
    errno.ETIMEDOUT,
    errno.EUCLEAN,
)
"""What is of the disk or the machine and not of the file that was asked for: it may be over the next time."""


def failure_of(error: OSError) -> DropnormError | None:
    """The failure that an error of the system is, if it is the disk's; its sentence names no path."""
    if error.errno in FULL:
        return StorageFull("there is no room left on the disk; free some space and try again")
    if error.errno in UNAVAILABLE:
        return StorageUnavailable(f"the data folder cannot be read or written just now: {_reason(error)}")
    return None


@contextmanager
def disk_failures_told() -> Iterator[None]:
    """Turns the system's errors into `StorageFull` and `StorageUnavailable`; others, as of a missing file, pass."""
    try:
        yield
    except OSError as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error


def check_free(folder: Path, needed_bytes: int) -> None:
    """Raises `StorageFull` where a file of so many bytes would not fit, `StorageUnavailable` where nobody can tell."""
    with disk_failures_told():
        free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StorageFull(f"{needed_bytes} bytes are needed, and {free} are free on the disk; free some and try again")


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of a disk: those that are left for us, and all."""

    free: int
    total: int


def room(folder: Path) -> Room | None:
    """How much room the disk of a folder has; None where the system does not say."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return Room(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)


def obstacle(folder: Path) -> str | None:
    """What keeps anything new from being begun: a disk that is read-only, or has less than 100 MB free.

    Of a small disk, a twentieth is enough.
    """
    try:
        status = os.statvfs(folder)
    except OSError as error:
        return f"the data folder cannot be read: {_reason(error)}"
    # The superuser is told that all may be written, also where nothing can be.
    if status.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return "the data folder cannot be written"
    free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    return "almost no room left on the disk" if free < min(LEAST_FREE_BYTES, total // 20) else None


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "unknown"

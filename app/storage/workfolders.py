"""Folders to work in before anything is published, each locked for as long as somebody works in it.

The lock is the kernel's and ends with the process that holds it, however that ends: so a folder in use, however old, is
told from one that was left behind. It is held until the row that names what was published is committed.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.storage.blobs import Blobs
from app.storage.disks import disk_failures_told
from app.storage.trees import is_folder

LOCK = "lock"


@contextmanager
def work_folder(blobs: Blobs, name: str | None = None) -> Iterator[Path]:
    """A new folder to receive and read in, removed at the end whatever happens.

    Raises `StorageFull` and `StorageUnavailable`. What is published meanwhile carries its
    name, which is `name` or one that no other has: see `nobody_works`.
    """
    with disk_failures_told():
        folder = blobs.incoming(name)
        # A file, because a folder cannot be locked over a network; closed in every program that is started meanwhile.
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether nobody works in `folder`, or it is gone; until the block ends, nobody else is told so."""
    descriptor = _lock_of(folder) if is_folder(folder) else None
    if descriptor is None:
        yield True
        return
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def nobody_works(blobs: Blobs, name: str) -> bool:
    """Whether no row is still to come for what was published in work folder `name`."""
    with unused(blobs.root / "incoming" / name) as free:
        return free


def _lock_of(folder: Path) -> int | None:
    """A descriptor of the folder's lock, if it has one."""
    try:
        return os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
            return None
        raise


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

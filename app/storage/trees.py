"""Looking at folders and removing them, without ever following a link.

Several processes may do so at once: what has vanished meanwhile is no failure.
"""

import errno
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BATCH = 200
NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
_LOG = logging.getLogger("dropnorm.sweep")


@dataclass(slots=True)
class Removed:
    """How much went; links count as files."""

    files: int = 0
    folders: int = 0
    bytes: int = 0


def children(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where it is gone, a file, or a link, wherever that leads."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NO_FOLDER:
            return []
        raise
    try:
        return [folder / name for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)


def files_under(folder: Path) -> Iterator[Path]:
    """Whatever lies at any depth below a folder and is none itself, links included."""
    for path in children(folder):
        if is_folder(path):
            yield from files_under(path)
        else:
            yield path


def is_folder(path: Path) -> bool:
    """Whether it is a folder and no link to one."""
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def changed_at(path: Path) -> float:
    """When anything of this file or tree last changed, in seconds since 1970; 0 where it is gone.

    Read from `st_ctime`, which the kernel sets and nobody can choose.
    """
    status = _status(path)
    own = 0.0 if status is None else status.st_ctime
    return max([own, *(changed_at(child) for child in children(path))])


def remove(path: Path, removed: Removed) -> None:
    """Removes a file, a link, or a whole tree. A folder into which somebody goes on writing stays."""
    status = _status(path)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        for child in children(path):
            remove(child, removed)
        remove_empty(path, removed)
        return
    try:
        path.unlink()
    except FileNotFoundError:
        return
    removed.files += 1
    removed.bytes += status.st_size


def remove_empty(folder: Path, removed: Removed) -> None:
    """Removes a folder in which there is nothing but empty folders."""
    for child in children(folder):
        if is_folder(child):
            remove_empty(child, removed)
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (*NO_FOLDER, *NOT_EMPTY):
            raise
    else:
        removed.folders += 1


@contextmanager
def failures_told(root: Path, path: Path) -> Iterator[None]:
    """Logs what the system refuses to do with `path`, so that the others are not left behind for it."""
    try:
        yield
    except OSError as error:
        _LOG.warning("%s cannot be swept: %s", key_of(root, path), error.strerror)


def batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """As many at a time as one query asks for."""
    return (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))


def key_of(root: Path, path: Path) -> str:
    """The name by which a row knows a path under the data folder `root`."""
    return path.relative_to(root).as_posix()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None

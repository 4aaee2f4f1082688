"""Copies of published files, for a second owner that must not need the first."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

from app.errors import Damaged
from app.storage.blobs import CHUNK_BYTES, Blobs, StoredFile
from app.storage.disks import check_free, disk_failures_told


def copy(blobs: Blobs, source: StoredFile, key: str) -> StoredFile:
    """Publishes a copy of `source` under `key`, in a folder that nothing had before; memory stays flat.

    Raises `Damaged` where the source is not as it was recorded or cannot be read, `NotFound` where it is gone,
    `StorageFull` where there is no room for a second one, `StorageUnavailable` where the disk fails otherwise. What it
    leaves in the folder then, its caller removes.
    """
    check_free(blobs.root, source.bytes)
    folder, name = key.rsplit("/", 1)
    work = blobs.incoming()
    try:
        with disk_failures_told():
            _copy_checked(blobs, source, work / name)
        (copied,) = blobs.publish_folder(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    # Its digest was taken of what was written: a copy that went wrong on its way is none.
    if copied.sha256 != source.sha256:
        raise Damaged("the copy of a stored file does not have the digest of the original")
    return copied


def _copy_checked(blobs: Blobs, source: StoredFile, target: Path) -> None:
    digest = hashlib.sha256()
    with blobs.open(source.key) as descriptor, target.open("xb") as file:
        while chunk := _read(descriptor):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != source.sha256:
        raise Damaged(f"the stored file {Path(source.key).name} does not have the digest that was recorded")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError as error:
        if error.errno == errno.EIO:
            raise Damaged("the disk cannot read a stored file any more") from error
        raise

"""A file that is written piece by piece, of any size, and published once it is whole."""

import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.failpoints import reach
from app.storage.blobs import Blobs, StoredFile
from app.storage.disks import disk_failures_told
from app.storage.durable import make_folder, sync_folder

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Growing(io.FileIO):
    """The file while it is written, with its size and digest: to be written to, and not to be closed."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, "wb")
        self._key, self._digest, self._bytes = key, hashlib.sha256(), 0

    def write(self, content: "Buffer", /) -> int:
        """Writes all of it. Raises `OSError`."""
        whole = rest = memoryview(content).cast("B")
        while len(rest):
            rest = rest[super().write(rest) :]
        self._digest.update(whole)
        self._bytes += len(whole)
        reach("file-within", self._key)
        return len(whole)

    @property
    def stored(self) -> StoredFile:
        """What a row records of it, once it is whole."""
        return StoredFile(self._key, self._bytes, self._digest.hexdigest())


@contextmanager
def growing(blobs: Blobs, key: str) -> Iterator[Growing]:
    """A file that lies under `key` when the block ends well, synced; else nothing of it stays. Memory stays flat.

    `stored` is good after the block. Raises `StorageFull` and `StorageUnavailable`; after a failed sync nobody knows
    what is on the disk, so the whole file must be written anew then.
    """
    target = blobs.path(key)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    with disk_failures_told():
        make_folder(target.parent)
        reach("file-before", target.name)
        file = Growing(aside, key)
        try:
            yield file
            reach("file-written", target.name)
            os.fsync(file.fileno())
            reach("file-synced", target.name)
            aside.replace(target)
            reach("file-renamed", target.name)
            sync_folder(target.parent)
        finally:
            file.close()
            aside.unlink(missing_ok=True)

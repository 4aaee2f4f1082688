"""A copy of a published file is the whole file, or there is none."""

import resource
import tracemalloc
from pathlib import Path

import pytest

from app.errors import Damaged, NotFound, StorageFull
from app.storage import copies
from app.storage.blobs import Blobs
from tests.storage.resumable import files


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def test_a_large_file_is_copied_in_little_memory(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", bytes(48 << 20))
    tracemalloc.start()
    try:
        made = copies.copy(blobs, source, "runs/new/inherited/state")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 6 << 20
    assert (made.bytes, made.sha256) == (source.bytes, source.sha256)
    blobs.check(made)


def test_a_copy_for_which_there_is_no_room_leaves_nothing(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", bytes(4 << 20))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, limits[1]))
    try:
        with pytest.raises(StorageFull):
            copies.copy(blobs, source, "runs/new/inherited/state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(blobs) == []


def test_a_file_that_is_longer_or_a_link_is_not_copied(blobs: Blobs) -> None:
    source = blobs.write("runs/old/state", b"state")
    path = blobs.path(source.key)
    path.write_bytes(b"state, and more")
    with pytest.raises(Damaged):
        copies.copy(blobs, source, "runs/new/inherited/state")
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))
    with pytest.raises(NotFound):
        copies.copy(blobs, source, "runs/new/inherited/state")
    assert files(blobs) == []

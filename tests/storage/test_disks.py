"""A disk that fails is told as what it is: full, not to be had just now, or without the file that was asked for."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import Damaged, DropnormError, NotFound, StorageFull, StorageUnavailable, Unavailable
from app.storage import copies
from app.storage.blobs import Blobs, StoredFile
from app.storage.disks import FULL, UNAVAILABLE, failure_of
from app.storage.workfolders import work_folder
from tests.storage.resumable import files
from tests.worker.disks import small_disk

KEY = "runs/run_a/attempt-1/weights.safetensors"
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
NO_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from app.errors import DropnormError
from app.storage.blobs import Blobs, StoredFile
blobs = Blobs(Path(sys.argv[1]))
stored = blobs.write("runs/a/state", b"state")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
while len(taken) < 64:
    try:
        taken.append(os.dup(0))
    except OSError:
        break
for act in (lambda: blobs.read(stored), lambda: blobs.write("runs/a/other", b"other"), lambda: blobs.check(stored)):
    try:
        act()
    except DropnormError as error:
        print(error.code)
os.close(taken.pop())
print(blobs.read(stored).decode())
"""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "data")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[tuple[Blobs, StoredFile]]:
    """A data folder with one file, on a disk that became read-only, as the kernel does after errors."""
    with small_disk(tmp_path / "disk", "20m") as disk:
        blobs = Blobs(disk)
        stored = blobs.write(KEY, b"content")
        (disk / "incoming" / "work").mkdir()
        (disk / "incoming" / "work" / "file").write_bytes(b"file")
        remount(disk, "ro")
        yield blobs, stored


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def refused(blobs: Blobs, stored: StoredFile) -> Iterator[DropnormError]:
    """How each way to write is refused."""
    with pytest.raises(DropnormError) as caught:
        blobs.write(KEY, b"other")
    yield caught.value
    with pytest.raises(DropnormError) as caught:
        blobs.publish_folder(blobs.root / "incoming" / "work", "datasets/columns_a")
    yield caught.value
    with pytest.raises(DropnormError) as caught:
        copies.copy(blobs, stored, "runs/run_b/inherited/state")
    yield caught.value
    with pytest.raises(DropnormError) as caught, work_folder(blobs):
        pass
    yield caught.value


def test_a_read_only_disk_is_told_as_not_available_and_is_read_on(read_only: tuple[Blobs, StoredFile]) -> None:
    blobs, stored = read_only
    for error in refused(blobs, stored):
        assert (type(error), error.code) == (StorageUnavailable, "storage_unavailable")
        assert isinstance(error, Unavailable)
        assert error.detail == "the data folder cannot be read or written just now: Read-only file system"
    assert blobs.read(stored) == b"content"
    blobs.remove(KEY)
    blobs.check(stored)


def test_nothing_is_begun_on_a_read_only_disk_until_it_can_be_written_again(
    read_only: tuple[Blobs, StoredFile],
) -> None:
    blobs, _ = read_only
    assert blobs.obstacle() == "the data folder cannot be written"
    remount(blobs.root, "rw")
    assert blobs.obstacle() is None
    assert blobs.read(blobs.write(KEY, b"other")) == b"other"


def test_nothing_is_begun_where_the_data_folder_is_gone(blobs: Blobs) -> None:
    assert blobs.obstacle() is None
    blobs.root.rename(blobs.root.with_name("away"))
    assert blobs.obstacle() == "the data folder cannot be read: No such file or directory"


def test_a_process_without_descriptors_to_give_is_told_so_and_goes_on_once_it_has_some(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_DESCRIPTORS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["storage_unavailable"] * 3 + ["state"], done.stderr


@pytest.mark.parametrize("number", [*UNAVAILABLE, *MISSING], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_opened_just_now_is_not_told_as_missing(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    stored = blobs.write(KEY, b"content")
    monkeypatch.setattr(os, "open", failing(number))
    for look in (blobs.read, blobs.check):
        with pytest.raises(NotFound if number in MISSING else StorageUnavailable) as caught:
            look(stored)
        assert caught.value.code == ("file_missing" if number in MISSING else "storage_unavailable")
        assert str(blobs.root) not in caught.value.detail


def test_a_file_of_which_a_part_cannot_be_read_just_now_is_not_told_as_damaged(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = blobs.write(KEY, b"content")
    for number in (errno.EIO, errno.ESTALE):
        with monkeypatch.context() as patched:
            patched.setattr(os, "read", failing(number))
            with pytest.raises(StorageUnavailable):
                blobs.check(stored)
    blobs.check(stored)


def test_a_copy_passes_over_what_the_disk_has_lost_and_waits_for_what_it_only_withholds(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = blobs.write(KEY, b"content")
    for number, kind in ((errno.EIO, Damaged), (errno.ESTALE, StorageUnavailable)):
        with monkeypatch.context() as patched:
            patched.setattr(os, "read", failing(number))
            with pytest.raises(kind):
                copies.copy(blobs, source, "runs/run_b/inherited/state")
    assert files(blobs) == []


def test_what_would_not_fit_is_not_begun_to_be_copied(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    source = StoredFile(KEY, 1 << 60, "0" * 64)
    monkeypatch.setattr(os, "mkdir", failing(errno.EIO))
    with pytest.raises(StorageFull, match=f"{1 << 60} bytes are needed"):
        copies.copy(blobs, source, "runs/run_b/inherited/state")


def test_every_error_that_is_not_the_disks_stays_what_it_is() -> None:
    told = {number: failure_of(OSError(number, "/secret/path")) for number in errno.errorcode}
    assert {number for number, failure in told.items() if failure} == {*FULL, *UNAVAILABLE}
    assert {failure.code for number, failure in told.items() if failure and number in FULL} == {"storage_full"}
    assert not any("secret" in failure.detail for failure in told.values() if failure)
    assert failure_of(OSError("without a number")) is None


def failing(number: int) -> object:
    def fail(*given: object, **named: object) -> object:
        raise OSError(number, os.strerror(number), "/secret/path")

    return fail

"""Files: published whole or not at all, read only when they are what was recorded."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import Damaged, NotFound
from app.storage.blobs import Blobs, StoredFile

KEY = "runs/run_a/attempt-1/weights.safetensors"
CRASH_BEFORE_RENAME = """
import os, sys
from pathlib import Path
from app.storage.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
sys.addaudithook(lambda event, arguments: os._exit(9) if event == "os.rename" else None)
blobs.write(sys.argv[2], b"new")
"""
FULL_DISK = """
import resource, sys
from pathlib import Path
from app.errors import StorageFull
from app.storage.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    blobs.write(sys.argv[2], bytes(100_000))
except StorageFull as error:
    print(error.code)
"""
SYNCED_FOLDERS = """
import os, sys
from pathlib import Path
from app.storage.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
def tell(event, arguments):
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_DIRECTORY:
        print(Path(arguments[0]).relative_to(blobs.root))
sys.addaudithook(tell)
blobs.write(sys.argv[2], b"content")
"""


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "data")


def in_a_process(script: str, blobs: Blobs, key: str = KEY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, str(blobs.root), key]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def files_under(blobs: Blobs) -> list[str]:
    return sorted(str(path.relative_to(blobs.root)) for path in blobs.root.rglob("*") if not path.is_dir())


def test_what_is_written_is_read_back_and_leaves_nothing_beside_it(blobs: Blobs) -> None:
    for content in (b"first", b"second", b""):
        stored = blobs.write(KEY, content)
        assert (stored.key, stored.bytes) == (KEY, len(content))
        assert blobs.read(stored) == content
        blobs.check(stored)
    assert files_under(blobs) == [KEY]


def test_one_flipped_bit_is_told_as_damage(blobs: Blobs) -> None:
    stored = blobs.write(KEY, bytes(3 << 20))
    with blobs.path(KEY).open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"\x01")
    for look in (blobs.read, blobs.check):
        with pytest.raises(Damaged, match=r"weights\.safetensors"):
            look(stored)


def test_a_file_that_was_cut_short_is_told_as_damage(blobs: Blobs) -> None:
    stored = blobs.write(KEY, b"content")
    os.truncate(blobs.path(KEY), 3)
    for look in (blobs.read, blobs.check):
        with pytest.raises(Damaged):
            look(stored)


def symlink(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def hardlink(path: Path, outside: Path) -> None:
    path.hardlink_to(outside)


def fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, outside: Path) -> None:
    path.mkdir()


def nothing(path: Path, outside: Path) -> None:
    pass


@pytest.mark.timeout(20)
@pytest.mark.parametrize("plant", [symlink, hardlink, fifo, folder, nothing])
def test_what_is_no_plain_file_of_one_name_is_refused(
    blobs: Blobs, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    path = blobs.path(KEY)
    path.parent.mkdir(parents=True)
    plant(path, outside)
    with pytest.raises(NotFound) as caught, blobs.open(KEY):
        pass
    assert str(blobs.root) not in caught.value.detail


@pytest.mark.parametrize("inside", [True, False])
def test_a_parent_that_is_a_link_is_refused(blobs: Blobs, tmp_path: Path, inside: bool) -> None:
    real = (blobs.root / "runs" / "run_b") if inside else tmp_path / "elsewhere"
    (real / "attempt-1").mkdir(parents=True)
    (real / "attempt-1" / "weights.safetensors").write_bytes(b"secret")
    (blobs.root / "runs" / "run_a").symlink_to(real)
    with pytest.raises(NotFound), blobs.open(KEY):
        pass


@pytest.mark.parametrize(
    "key", ["../secret", "runs/../../secret", "/etc/passwd", "", ".", "runs/..", "a/../../b", "x\0y", "runs/x\0/../y"]
)
def test_a_key_that_leads_out_of_the_data_folder_is_refused(blobs: Blobs, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    stored = StoredFile(key, 6, "0" * 64)
    uses: list[Callable[[], object]] = [
        lambda: blobs.read(stored),
        lambda: blobs.check(stored),
        lambda: blobs.path(key),
        lambda: blobs.write(key, b"overwritten"),
        lambda: blobs.remove(key),
    ]
    for use in uses:
        with pytest.raises(NotFound):
            use()
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_crash_before_the_rename_leaves_what_stood_there(blobs: Blobs) -> None:
    assert in_a_process(CRASH_BEFORE_RENAME, blobs).returncode == 9
    assert not blobs.path(KEY).exists()
    stored = blobs.write(KEY, b"old")
    assert in_a_process(CRASH_BEFORE_RENAME, blobs).returncode == 9
    assert blobs.read(stored) == b"old"


def test_a_full_disk_is_told_and_leaves_nothing_behind(blobs: Blobs) -> None:
    done = in_a_process(FULL_DISK, blobs)
    assert done.stdout == "storage_full\n", done.stderr
    assert files_under(blobs) == []


def test_every_folder_that_a_file_made_necessary_is_on_the_disk_by_name(blobs: Blobs) -> None:
    done = in_a_process(SYNCED_FOLDERS, blobs)
    assert set(done.stdout.split()) == {"runs", "runs/run_a", "runs/run_a/attempt-1"}, done.stderr


def test_a_folder_is_published_in_one_step_with_its_digests(blobs: Blobs) -> None:
    work = blobs.incoming()
    (work / "numbers.bin").write_bytes(b"numbers")
    (work / "codes.bin").write_bytes(b"")
    files = blobs.publish_folder(work, "datasets/columns_a")
    assert [(file.key, file.bytes) for file in files] == [
        ("datasets/columns_a/codes.bin", 0),
        ("datasets/columns_a/numbers.bin", 7),
    ]
    assert [blobs.read(file) for file in files] == [b"", b"numbers"]
    assert not work.exists()


def test_a_folder_never_takes_the_place_of_another(blobs: Blobs) -> None:
    for content in (b"first", b"second"):
        work = blobs.incoming()
        (work / "numbers.bin").write_bytes(content)
        if content == b"first":
            (stored,) = blobs.publish_folder(work, "datasets/columns_a")
        else:
            with pytest.raises(OSError, match="not empty"):
                blobs.publish_folder(work, "datasets/columns_a")
    assert blobs.read(stored) == b"first"


def test_what_is_removed_is_gone_and_may_be_removed_again(blobs: Blobs) -> None:
    stored = blobs.write(KEY, b"content")
    for _ in range(2):
        blobs.remove(KEY)
        blobs.remove("runs/run_a")
    assert files_under(blobs) == []
    assert list((blobs.root / "incoming").iterdir()) == []
    with pytest.raises(NotFound):
        blobs.read(stored)


def test_the_data_folder_may_itself_stand_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    blobs = Blobs(tmp_path / "data")
    assert blobs.read(blobs.write(KEY, b"content")) == b"content"

"""A file that grows is published whole, with its size and digest, or leaves nothing."""

import hashlib
from pathlib import Path

import pytest

from app.errors import StorageFull
from app.storage.blobs import Blobs, StoredFile
from app.storage.growing import growing

KEY = "jobs/job_x/attempt-1/predictions.csv"
PIECES = [b"label\r\n", b"", b"x" * 3_000_000, b"abcdef"]


def test_it_is_there_once_the_block_has_ended_well(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with growing(blobs, KEY) as file:
        for piece in PIECES:
            assert file.write(piece) == len(piece)
        assert not (tmp_path / KEY).exists()
    whole = b"".join(PIECES)
    assert file.stored == StoredFile(KEY, len(whole), hashlib.sha256(whole).hexdigest())
    assert blobs.read(file.stored) == whole
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize("failure", [KeyError("x"), OSError(28, "No space left on device")])
def test_nothing_of_it_stays_where_the_block_fails(tmp_path: Path, failure: Exception) -> None:
    def fail() -> None:
        with growing(Blobs(tmp_path), KEY) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(StorageFull if isinstance(failure, OSError) else KeyError):
        fail()
    assert list((tmp_path / KEY).parent.iterdir()) == []

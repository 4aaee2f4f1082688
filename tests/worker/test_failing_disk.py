"""A disk that fails costs a checkpoint, or puts the attempt off; it never ends a run, and never changes its files."""

import errno
import os
from pathlib import Path

import pytest

from app.errors import DropnormError, StorageFull, StorageUnavailable
from app.worker.trainer import failure
from tests.worker.attempts import Said, StopAt, carried_out, order, stored
from tests.worker.conftest import NETWORK, SETTINGS
from tests.worker.workplace import Workplace

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE, errno.EMFILE, errno.ENFILE)


class Failing:
    """Lets files be opened but those whose path has one of `names` in it."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, *names: str) -> None:
        self._number, self._names, self.met = number, names, 0
        self._open, self._path_open = os.open, Path.open
        patch.setattr(os, "open", lambda path, flags, mode=0o777: self._open(self._checked(path), flags, mode))
        patch.setattr(Path, "open", lambda path, mode="r": self._path_open(self._checked(path), mode))

    def _checked(self, path: Path) -> Path:
        if any(name in str(path) for name in self._names):
            self.met += 1
            raise OSError(self._number, os.strerror(self._number), str(path))
        return path


def lines(said: Said) -> list[str]:
    return [message["message"] for message in said.of("log")]


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_a_disk_that_fails_costs_the_checkpoints_and_not_the_run_and_it_is_said_once(
    trial: tuple[Workplace, str], trial_digests: dict[str, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing = Failing(monkeypatch, number, ".checkpoint-")
    said, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=100 + number, checkpoint_seconds=1e-6))
    assert digests == trial_digests
    assert failing.met > 1
    assert said.of("checkpoint") == []
    assert len([line for line in lines(said) if "could not be written" in line and "goes on without it" in line]) == 1
    assert not list(trial[0].blobs.path(f"runs/trial/attempt-{100 + number}").glob(".*"))


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_a_publication_that_meets_a_failing_disk_ends_the_attempt_as_one_to_be_tried_again(
    trial: tuple[Workplace, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing = Failing(monkeypatch, number, ".weights.safetensors")
    with pytest.raises(DropnormError) as caught:
        carried_out(order(*trial, NETWORK, SETTINGS, number=300 + number))
    assert failing.met > 0
    assert type(caught.value) is (StorageFull if number == errno.ENOSPC else StorageUnavailable)
    assert failure(caught.value)[0] == ("storage_full" if number == errno.ENOSPC else "storage_unavailable")
    left = [path.name for path in trial[0].blobs.path(f"runs/trial/attempt-{300 + number}").iterdir()]
    assert [name for name in left if not name.startswith("checkpoint-")] == []


@pytest.mark.parametrize("number", ERRORS[1:], ids=errno.errorcode.get)
def test_a_dataset_that_cannot_be_read_just_now_ends_the_attempt_as_one_to_be_tried_again(
    trial: tuple[Workplace, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Failing(monkeypatch, number, "numbers.bin")
    with pytest.raises(StorageUnavailable):
        carried_out(order(*trial, NETWORK, SETTINGS, number=500))


def test_a_checkpoint_that_cannot_be_read_just_now_is_passed_over_for_the_one_before(
    trial: tuple[Workplace, str], trial_digests: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=510), StopAt(12))
    made = stored(first.messages)
    second, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=511, checkpoints=made), StopAt(12))
    both = (*stored(second.messages), *made)
    Failing(monkeypatch, errno.EIO, "attempt-511/checkpoint-")
    third, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=512, checkpoints=both))
    assert lines(third)[0].startswith("checkpoint-1 of attempt-511 cannot be used: ")
    assert lines(third)[1].startswith("goes on from checkpoint-1 of attempt-510: ")
    assert digests == trial_digests


@pytest.mark.parametrize("resumed", [False, True])
def test_where_no_checkpoint_can_be_read_just_now_nothing_is_begun_anew(
    trial: tuple[Workplace, str], trial_digests: dict[str, str], monkeypatch: pytest.MonkeyPatch, resumed: bool
) -> None:
    number = 520 + 10 * resumed
    first, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=number), StopAt(12))
    wanted = order(
        *trial,
        NETWORK,
        SETTINGS,
        number=number + 1,
        checkpoints=stored(first.messages, inherited=resumed),
        resumed=resumed,
    )
    with monkeypatch.context() as patch:
        Failing(patch, errno.ESTALE, f"attempt-{number}/checkpoint-")
        with pytest.raises(StorageUnavailable):
            carried_out(wanted)
    _, digests = carried_out(wanted)
    assert digests == trial_digests

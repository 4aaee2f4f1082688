"""Processes that die at each of the points where it could matter: the run ends well, once, and nothing is left over."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.failpoints import POINTS
from app.storage.sweep import sweep
from tests.worker.conftest import EPOCHS, LONG, flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace

FILES = ("file-before", "file-within", "file-written", "file-synced", "file-renamed")
DEATHS = [
    ("claimed", ""),
    *[(point, part) for point in FILES for part in ("checkpoint-1", "weights.safetensors")],
    ("checkpoint-within", ""),
    ("checkpoint-committed", ""),
    ("restoring", ""),
    ("end-within", ""),
    ("end-committed", ""),
]
OF_SUPERVISORS = {"claimed", "checkpoint-within", "checkpoint-committed", "end-within", "end-committed"}
HURRIED: dict[str, Any] = {"lease_seconds": "2", "checkpoint_seconds": "0.2"}


def test_every_point_is_tried() -> None:
    assert {point for point, _ in DEATHS} == set(POINTS)


@pytest.mark.parametrize(("point", "part"), DEATHS, ids=[f"{point} {part}".strip() for point, part in DEATHS])
def test_whoever_dies_wherever_the_run_ends_once_with_the_same_files_and_nothing_is_left_over(
    quiet_place: Workplace, undisturbed: dict[str, str], tmp_path: Path, point: str, part: str
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    marker = tmp_path / "died"
    with WorkerProcess(quiet_place, f"{point}:{part}:{marker}", **HURRIED) as armed, ExitStack() as others:
        if point == "restoring":
            quiet_place.with_checkpoint(run_id)
            armed.trainer(run_id).kill()
        until(marker.exists, 60)
        if point in OF_SUPERVISORS:
            armed.process.wait(30)
            others.enter_context(WorkerProcess(quiet_place, **HURRIED))
        run = quiet_place.ended(run_id)
        assert (armed.process.poll() is not None) == (point in OF_SUPERVISORS)
    assert (run.job.status, run.job.error_message) == ("succeeded", None)
    assert quiet_place.digests(run_id) == undisturbed
    events = quiet_place.events(run_id)
    assert [event.kind for event in events].count("end") == 1
    assert events[-1].kind == "end"
    assert [event.data["epoch"] for event in events if event.kind == "epoch"] == list(range(1, EPOCHS + 1))
    sweep(quiet_place.database, quiet_place.blobs, 0.0)
    assert quiet_place.unnamed() == set()

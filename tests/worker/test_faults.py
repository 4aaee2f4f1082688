"""A full disk, a database that is away, a lock that somebody holds: the run waits, and ends in the same bytes."""

import os
import random
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.errors import StorageFull
from app.storage.blobs import Blobs
from tests.chaos.server import NoServer, Server, server
from tests.worker.conftest import EPOCHS, LONG, flowers
from tests.worker.disks import fill, small_disk
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace

LEASE_SECONDS = 2.0
HURRIED: dict[str, Any] = {"lease_seconds": str(LEASE_SECONDS), "checkpoint_seconds": "0.2"}


def ended_well(place: Workplace, run_id: str, undisturbed: dict[str, str]) -> list[str]:
    """Waits for the end, looks that nothing is lost or there twice; answers the run's log."""
    run = place.ended(run_id)
    assert (run.job.status, run.job.error_message) == ("succeeded", None)
    assert place.digests(run_id) == undisturbed
    events = place.events(run_id)
    assert [event.kind for event in events].count("end") == 1
    assert [event.data["epoch"] for event in events if event.kind == "epoch"] == list(range(1, EPOCHS + 1))
    return [event.data["message"] for event in events if event.kind == "log"]


def test_a_run_on_a_disk_that_fills_up_ends_once_there_is_room_again(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        place = Workplace(disk)
        run_id = place.submit(place.add(flowers()), **LONG)
        with WorkerProcess(place, **HURRIED) as worker:
            place.in_the_middle(run_id)
            trainer = worker.trainer(run_id)
            fill(disk / "filler")
            until(lambda: "waiting" in " ".join(trainer.cmdline()), 60)
            (disk / "filler").unlink()
            log = ended_well(place, run_id, undisturbed)
        place.database.close()
    assert any("no room" in line for line in log)


def test_a_worker_that_can_write_no_large_file_puts_its_run_off_and_another_ends_it(quiet_place: Workplace) -> None:
    layers: list[dict[str, Any]] = [{"type": "dense", "units": 20_000, "activation": "relu"}, {"type": "dense"}]
    dataset = quiet_place.add(flowers())
    run_id = quiet_place.submit(dataset, layers=layers, epochs=1, batch_size=64)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    with WorkerProcess(quiet_place, before=limit, **HURRIED):
        until(lambda: quiet_place.run(run_id).job.attempt > 1 or None, 90)
    row = quiet_place.run(run_id).job
    assert row.crashes == 0
    with WorkerProcess(quiet_place, **HURRIED):
        assert quiet_place.ended(run_id).job.status == "succeeded"
    log = [event.data["message"] for event in quiet_place.events(run_id) if event.kind == "log"]
    assert [line for line in log if line.startswith("put off: there is no room left on the disk")]
    assert not {key for key in quiet_place.unnamed() if "/." in key}


def test_nothing_is_claimed_while_there_is_almost_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        place = Workplace(disk)
        run_id = place.submit(place.add(flowers()))
        fill(disk / "filler")
        with WorkerProcess(place) as worker:
            until(lambda: any("waiting" in " ".join(child.cmdline()) for child in worker.children()) or None, 60)
            threading.Event().wait(1.0)
            assert place.run(run_id).job.attempt == 0
            (disk / "filler").unlink()
            assert place.ended(run_id).job.status == "succeeded"
        place.database.close()


def test_a_file_whose_sync_fails_is_written_anew_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, synced = Blobs(tmp_path), os.fsync
    failures = iter([OSError(5, "Input/output error")])

    def fails_once(descriptor: int) -> None:
        if not Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            for failure in failures:
                raise failure
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fails_once)
    blobs.check(blobs.write("runs/a/attempt-1/weights", b"w" * 5000))
    assert [path.name for path in (tmp_path / "runs/a/attempt-1").iterdir()] == ["weights"]
    assert next(failures, None) is None


def test_a_file_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        blobs = Blobs(disk)
        with pytest.raises(StorageFull):
            blobs.write("runs/a/attempt-1/weights", os.urandom(2 << 20))
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_a_lock_that_another_writer_holds_for_five_seconds_delays_and_loses_nothing(
    quiet_place: Workplace, undisturbed: dict[str, str]
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place, **HURRIED):
        quiet_place.in_the_middle(run_id)
        with closing(sqlite3.connect(quiet_place.data_dir / "dropnorm.db", timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            threading.Event().wait(5)
            other.execute("COMMIT")
        ended_well(quiet_place, run_id, undisturbed)
    assert quiet_place.run(run_id).job.attempt == 1


@pytest.fixture
def stoppable() -> Iterator[Server]:
    """A server with a blank database, as each data folder wants one of its own."""
    try:
        with server() as started:
            yield started
    except NoServer as error:
        pytest.skip(f"nothing was tried on a PostgreSQL that is stopped: {error}")


def test_a_database_stopped_hard_and_away_for_two_leases_delays_and_loses_nothing(
    stoppable: Server, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    place = Workplace(tmp_path, stoppable.url)
    run_id = place.submit(place.add(flowers()), **LONG)
    with WorkerProcess(place, **HURRIED) as worker:
        place.in_the_middle(run_id)
        trainer = worker.trainer(run_id)
        stoppable.stop()
        threading.Event().wait(2 * LEASE_SECONDS)
        stoppable.start()
        ended_well(place, run_id, undisturbed)
        # The trainer went on meanwhile: nobody else was there to take the run.
        assert psutil.pid_exists(trainer.pid)
        assert place.run(run_id).job.attempt == 1
    place.database.close()


def test_a_worker_that_is_asked_to_stop_while_the_database_is_away_stops(stoppable: Server, tmp_path: Path) -> None:
    place = Workplace(tmp_path, stoppable.url)
    run_id = place.submit(place.add(flowers()), epochs=100_000)
    with WorkerProcess(place, **HURRIED) as worker:
        place.in_the_middle(run_id)
        children = worker.children()
        stoppable.stop()
        try:
            assert worker.signalled(signal.SIGTERM) == 0
        finally:
            stoppable.start()
        assert not [child for child in children if child.is_running()]
    place.database.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_asked_to_stop_at_any_batch_a_worker_leaves_with_0_and_the_run_goes_on_from_there(
    quiet_place: Workplace, undisturbed: dict[str, str], seed: int
) -> None:
    generator = random.Random(seed)
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place, checkpoint_seconds="1000") as first:
        quiet_place.in_the_middle(run_id)
        threading.Event().wait(generator.uniform(0, 0.5))
        assert first.signalled(signal.SIGTERM) == 0
    row = quiet_place.run(run_id).job
    assert (row.status, row.attempt, row.crashes) == ("queued", 1, 0)
    with WorkerProcess(quiet_place):
        log = ended_well(quiet_place, run_id, undisturbed)
    assert any(line.startswith("goes on from checkpoint-1 of attempt-1: epoch") for line in log)

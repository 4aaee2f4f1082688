"""The trainer as a process of its own, and who listens to it."""

import errno
import threading
from collections.abc import Iterator

import psutil
import pytest
import torch
from sqlalchemy import text

from app.storage import jobs
from app.storage.jobs import Claim
from app.worker.channel import Message
from app.worker.counts import Counts
from app.worker.orders import Order, order_for
from app.worker.process import Trainer
from app.worker.trainer import failure
from app.worker.watch import Watch
from tests.worker.conftest import EPOCHS, LONG, ROWS, flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace


@pytest.fixture
def trainer() -> Iterator[Trainer]:
    """A trainer that was started just now and is not ready yet."""
    process = Trainer()
    yield process
    process.kill()


def taken(workplace: Workplace) -> tuple[Claim, Order]:
    """The next job, held by nobody's worker, and its order."""
    with workplace.database.write() as session:
        held = jobs.claim(session, "test")
        assert held is not None
        return held, order_for(session, held, str(workplace.data_dir), 5.0)


def ordered(order: Order) -> Message:
    return {"kind": "order", "order": order.model_dump(mode="json")}


def rename(workplace: Workplace, old: str, new: str) -> None:
    """Takes a table away, so that every statement on it fails as in a database that is away, or puts it back."""
    with workplace.database.write() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_what_a_trainer_still_says_of_an_earlier_attempt_changes_nothing(
    quiet_place: Workplace, trainer: Trainer
) -> None:
    dataset = quiet_place.add(flowers())
    earlier, later = quiet_place.submit(dataset, epochs=2), quiet_place.submit(dataset, epochs=4)
    _, abandoned = taken(quiet_place)
    held, order = taken(quiet_place)
    trainer.order(ordered(abandoned))
    trainer.order(ordered(order))
    stop, counts = threading.Event(), Counts()
    Watch(quiet_place.database, quiet_place.blobs, held, order.folder, trainer, stop, lambda: None, counts).run()
    assert (counts.epochs, counts.training_rows) == (4, 4 * (ROWS - ROWS // 5))
    assert (quiet_place.run(later).job.status, quiet_place.epochs(later)) == ("succeeded", 4)
    assert {file.key.split("/")[1] for file in quiet_place.files(later).values()} == {later}
    assert (quiet_place.run(earlier).job.status, quiet_place.epochs(earlier)) == ("running", 0)


def test_a_stop_that_comes_before_the_trainer_is_ready_is_heard(quiet_place: Workplace, trainer: Trainer) -> None:
    quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)
    _, order = taken(quiet_place)
    trainer.order(ordered(order))
    trainer.order({"kind": "stop", "folder": order.folder})
    said: list[str] = []

    def stopped() -> bool:
        said.extend(message["kind"] for message in trainer.messages(0.1))
        return "stopped" in said

    until(stopped, 30)
    assert "epoch" not in said


def test_a_trainer_that_dies_before_it_began_costs_the_run_no_crash(
    standing: WorkerProcess, place: Workplace, kinds: str
) -> None:
    assert place.ended(place.submit(kinds)).job.status == "succeeded"
    (idle,) = until(standing.children, 30)
    idle.suspend()
    run_id = place.submit(kinds)
    until(lambda: place.run(run_id).job.status == "running", 30)
    idle.kill()
    run = place.ended(run_id)
    assert (run.job.status, run.job.attempt, run.job.crashes) == ("succeeded", 2, 0)
    assert not psutil.pid_exists(idle.pid)


def test_a_run_whose_order_the_database_cannot_tell_now_is_put_off(quiet_place: Workplace) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()))
    rename(quiet_place, "checkpoints", "away")
    with WorkerProcess(quiet_place):
        until(lambda: quiet_place.run(run_id).job.attempt > 1, 60)
        rename(quiet_place, "away", "checkpoints")
        run = quiet_place.ended(run_id)
    assert (run.job.status, run.job.crashes) == ("succeeded", 0)


def test_what_is_reported_while_the_database_is_away_waits_and_nothing_is_lost(
    quiet_place: Workplace, undisturbed: dict[str, str]
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place) as worker:
        quiet_place.in_the_middle(run_id)
        trainer = worker.trainer(run_id)
        rename(quiet_place, "jobs", "away")
        # The trainer ends meanwhile, with all its reports waiting.
        until(lambda: "waiting" in " ".join(trainer.cmdline()), 60)
        rename(quiet_place, "away", "jobs")
        run = quiet_place.ended(run_id)
    assert (run.job.status, run.job.attempt) == ("succeeded", 1)
    assert quiet_place.digests(run_id) == undisturbed
    told = [event.data["epoch"] for event in quiet_place.events(run_id) if event.kind == "epoch"]
    assert told == list(range(1, EPOCHS + 1))


def test_an_allocator_that_finds_no_room_is_told_as_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 55)
    for error in (raised.value, torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        assert failure(error)[0] == "out_of_memory"


def test_an_error_of_the_disk_is_told_by_what_may_become_of_it() -> None:
    codes = {
        number: failure(OSError(number, "words", "/secret"))[0] for number in (errno.ENOSPC, errno.EIO, errno.EROFS)
    }
    assert codes == {errno.ENOSPC: "storage_full", errno.EIO: "storage_unavailable", errno.EROFS: "storage_unavailable"}
    assert failure(PermissionError(errno.EACCES, "words", "/secret")) == (
        "storage_unavailable",
        "the data folder cannot be read or written just now: Permission denied",
    )
    for error in (
        OSError(errno.EINVAL, "words"),
        OSError("without a number"),
        FileNotFoundError(errno.ENOENT, "words"),
    ):
        assert failure(error)[0] == "internal"


def test_another_error_is_told_without_its_words() -> None:
    code, message = failure(RuntimeError("/home/somebody is secret"))
    assert code == "internal"
    assert "secret" not in message

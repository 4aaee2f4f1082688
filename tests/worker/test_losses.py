"""Processes killed for real: the run goes on, ends once, and comes to the same bytes."""

import signal

import psutil
import pytest

from tests.worker.conftest import EPOCHS, LONG, flowers
from tests.worker.processes import left_over, until
from tests.worker.workplace import WorkerProcess, Workplace


def ends(workplace: Workplace, run_id: str) -> int:
    return sum(event.kind == "end" for event in workplace.events(run_id))


def test_a_run_whose_trainer_is_killed_goes_on_as_another_attempt(
    standing: WorkerProcess, place: Workplace, kinds: str, undisturbed: dict[str, str]
) -> None:
    run_id = place.submit(kinds, **LONG)
    place.in_the_middle(run_id)
    standing.trainer(run_id).kill()
    run = place.ended(run_id)
    assert (run.job.status, run.job.attempt, run.job.crashes) == ("succeeded", 2, 0)
    assert place.digests(run_id) == undisturbed
    assert {file.key.split("/")[2] for file in place.files(run_id).values()} == {"attempt-2"}
    assert ends(place, run_id) == 1
    told = [event.data["epoch"] for event in place.events(run_id) if event.kind == "epoch"]
    assert told == list(range(1, EPOCHS + 1))


def test_a_run_that_loses_its_trainer_three_times_fails_and_the_worker_goes_on(
    standing: WorkerProcess, place: Workplace, kinds: str
) -> None:
    run_id = place.submit(kinds, epochs=100_000)
    for attempt in (1, 2, 3):
        place.in_the_middle(run_id, attempt)
        standing.trainer(run_id).kill()
    run = place.ended(run_id)
    assert (run.job.status, run.job.error_code, run.job.attempt) == ("failed", "worker_killed", 3)
    assert run.job.error_message is not None
    assert "status -9 (possibly out of memory)" in run.job.error_message
    assert place.ended(place.submit(kinds)).job.status == "succeeded"


def test_a_killed_worker_leaves_no_orphan_and_another_takes_its_run_over(
    quiet_place: Workplace, undisturbed: dict[str, str]
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place) as first:
        trainer = first.trainer(run_id)
        quiet_place.in_the_middle(run_id)
        with WorkerProcess(quiet_place):
            first.process.kill()
            assert left_over([trainer], 1.0) == []
            assert quiet_place.run(run_id).job.status == "running"
            quiet_place.expire(run_id)
            run = quiet_place.ended(run_id)
    assert (run.job.status, run.job.attempt, run.job.crashes) == ("succeeded", 2, 0)
    assert quiet_place.digests(run_id) == undisturbed
    assert ends(quiet_place, run_id) == 1


def test_a_run_that_kills_worker_and_trainer_together_fails_the_third_time(quiet_place: Workplace) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)
    for attempt in (1, 2, 3):
        with WorkerProcess(quiet_place) as worker:
            quiet_place.in_the_middle(run_id, attempt)
            worker.process.kill()
        quiet_place.expire(run_id)
    following = quiet_place.submit(quiet_place.run(run_id).dataset_id)
    with WorkerProcess(quiet_place):
        run = quiet_place.ended(run_id)
        assert quiet_place.ended(following).job.status == "succeeded"
    assert (run.job.status, run.job.error_code, run.job.crashes) == ("failed", "worker_killed", 3)
    told = [(event.kind, event.data["status"]) for event in quiet_place.events(run_id)[-2:]]
    assert told == [("status", "failed"), ("end", "failed")]
    assert ends(quiet_place, run_id) == 1


def test_a_worker_that_is_asked_to_stop_hands_its_run_back(quiet_place: Workplace, undisturbed: dict[str, str]) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place) as first:
        quiet_place.in_the_middle(run_id)
        processes = first.children()
        with WorkerProcess(quiet_place):
            assert first.signalled(signal.SIGTERM) == 0
            assert left_over(processes, 1.0) == []
            row = quiet_place.run(run_id).job
            assert (row.status, row.attempt, row.crashes) in (("queued", 1, 0), ("running", 2, 0))
            run = quiet_place.ended(run_id)
    assert (run.job.status, run.job.attempt, run.job.crashes) == ("succeeded", 2, 0)
    assert quiet_place.digests(run_id) == undisturbed
    assert ends(quiet_place, run_id) == 1


def suspended(process: psutil.Process, workplace: Workplace) -> bool:
    process.suspend()
    if workplace.writable():
        return True
    process.resume()
    return False


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_wakes(
    quiet_place: Workplace, undisturbed: dict[str, str]
) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), **LONG)
    with WorkerProcess(quiet_place) as worker:
        quiet_place.in_the_middle(run_id)
        zombie = psutil.Process(worker.process.pid)
        # Not while it holds SQLite's write lock, which would keep everybody waiting.
        until(lambda: suspended(zombie, quiet_place), 60)
        quiet_place.expire(run_id)
        with WorkerProcess(quiet_place) as other:
            run = quiet_place.ended(run_id)
            other.signalled(signal.SIGTERM)
        before = [event.seq for event in quiet_place.events(run_id)]
        zombie.resume()
        # It is itself again: it takes and ends the next run.
        assert quiet_place.ended(quiet_place.submit(run.dataset_id)).job.status == "succeeded"
    assert (run.job.status, run.job.attempt) == ("succeeded", 2)
    assert [event.seq for event in quiet_place.events(run_id)] == before
    assert quiet_place.run(run_id).result == run.result
    assert quiet_place.digests(run_id) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_stops_at_once_and_leaves_no_process(quiet_place: Workplace, number: signal.Signals) -> None:
    with WorkerProcess(quiet_place) as worker:
        worker.ready()
        processes = worker.children()
        assert processes
        assert worker.signalled(number) == 0
        assert left_over(processes, 1.0) == []


def test_a_worker_stops_at_once_even_before_it_is_ready(quiet_place: Workplace) -> None:
    with WorkerProcess(quiet_place) as worker:
        processes = until(worker.children, 30)
        assert worker.signalled(signal.SIGTERM) == 0
        assert left_over(processes, 1.0) == []


def test_a_run_cancelled_while_its_worker_stops_is_cancelled(quiet_place: Workplace) -> None:
    run_id = quiet_place.submit(quiet_place.add(flowers()), epochs=100_000)
    with WorkerProcess(quiet_place) as worker:
        quiet_place.in_the_middle(run_id)
        quiet_place.cancel(run_id)
        assert worker.signalled(signal.SIGTERM) == 0
    assert quiet_place.run(run_id).job.status == "cancelled"
    assert ends(quiet_place, run_id) == 1

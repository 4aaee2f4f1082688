"""What a worker counts of itself: trainers that it lost, jobs that it took from others, epochs and rows."""

from app.storage import figures
from app.storage.figures import WorkerFigures
from tests.worker.conftest import LONG, ROWS, flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace


def told(place: Workplace) -> tuple[WorkerFigures, ...]:
    with place.database.read() as session:
        return figures.read(session).workers


def test_a_worker_counts_the_trainer_that_it_lost_and_another_the_lease_that_it_took(quiet_place: Workplace) -> None:
    dataset = quiet_place.add(flowers())
    run = quiet_place.submit(dataset, **{**LONG, "epochs": 100_000})
    with WorkerProcess(quiet_place) as first:
        quiet_place.in_the_middle(run)
        first.trainer(run).kill()
        (counted,) = until(lambda: [one for one in told(quiet_place) if one.trainers_lost], 30)
        assert (counted.trainers_lost, counted.leases_lost) == (1, 0)
        assert counted.epochs > 1
        assert counted.training_rows == counted.epochs * (ROWS - ROWS // 5)
        until(lambda: quiet_place.run(run).job.attempt == 2 or None, 30)
    quiet_place.expire(run)
    with WorkerProcess(quiet_place):
        taken = until(lambda: [one for one in told(quiet_place) if one.leases_lost], 60)
        assert [(one.leases_lost, one.trainers_lost, one.id == counted.id) for one in taken] == [(1, 0, False)]
        quiet_place.cancel(run)
        quiet_place.ended(run)

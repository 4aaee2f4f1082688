"""One workplace with a worker that stands ready, shared by the tests that leave it as they found it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.domain.data.columns import Columns
from app.domain.data.schema import ColumnType
from tests.data.tables import table
from tests.worker.attempts import carried_out, order
from tests.worker.workplace import LAYERS, WorkerProcess, Workplace

ROWS = 302
EPOCHS = 40
LONG: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 4}
"""Some seconds of training: time to be disturbed in."""
NETWORK: dict[str, Any] = {"layers": LAYERS}
SETTINGS: dict[str, Any] = {"epochs": 6, "batch_size": 32}


def flowers(*, numbers: bool = False) -> Columns:
    """Three kinds of flowers that two measures and a place tell apart, or the length of a fourth measure."""
    generator = np.random.Generator(np.random.PCG64(5))
    kinds = np.arange(ROWS) % 3
    measures = kinds[:, None] + generator.normal(0, 0.4, (ROWS, 2))
    places = [["north", "south", None][index] for index in generator.integers(0, 3, ROWS)]
    target = ("length", [float(value) for value in 10 * measures.sum(1)])
    return table(
        {
            "petal": (ColumnType.NUMERIC, [float(value) for value in measures[:, 0]]),
            "sepal": (ColumnType.NUMERIC, [None if index == 7 else float(v) for index, v in enumerate(measures[:, 1])]),
            "place": (ColumnType.CATEGORICAL, places),
        },
        target if numbers else ("kind", [("iris", "rose", "tulip")[kind] for kind in kinds]),
    )


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    workplace = Workplace(tmp_path_factory.mktemp("standing"))
    with WorkerProcess(workplace) as worker:
        yield worker.ready()
    workplace.database.close()


@pytest.fixture(scope="session")
def place(standing: WorkerProcess) -> Workplace:
    """A workplace whose worker is ready."""
    return standing.workplace


@pytest.fixture(scope="session")
def kinds(place: Workplace) -> str:
    """A dataset of classes in the shared workplace."""
    return place.add(flowers())


@pytest.fixture(scope="session")
def undisturbed(place: Workplace, kinds: str) -> dict[str, str]:
    """The digests of the files that a long run leaves when nothing happens to it."""
    run = place.ended(place.submit(kinds, **LONG))
    assert run.job.status == "succeeded", run.job.error_message
    return place.digests(run.id)


@pytest.fixture
def quiet_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace of the test's own, with no worker yet."""
    workplace = Workplace(tmp_path_factory.mktemp("quiet"))
    yield workplace
    workplace.database.close()


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, str]:
    """A workplace and a dataset, for attempts that run within the test's own process."""
    workplace = Workplace(tmp_path_factory.mktemp("trial"))
    return workplace, workplace.add(flowers())


@pytest.fixture(scope="module")
def trial_digests(trial: tuple[Workplace, str]) -> dict[str, str]:
    """The digests of the files that an attempt leaves there when nothing happens to it."""
    _, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=0))
    assert digests is not None
    return digests

"""Stopped anywhere and gone on with elsewhere, a run leaves the same bytes in all its files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from app.domain.data.columns import Columns
from app.domain.network.spec import NetworkSpec
from app.domain.plan.preparation import prepare
from app.domain.plan.settings import TrainingSettings
from app.worker.channel import Message
from tests.conftest import network
from tests.data.tables import pictures
from tests.worker.attempts import Said, StopAt, carried_out, order, stored
from tests.worker.conftest import flowers
from tests.worker.workplace import Workplace

EVERYTHING: dict[str, Any] = {
    "layers": [
        {"type": "dropout", "rate": 0.1},
        {"type": "dense", "units": 16, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
        {"type": "dropout", "rate": 0.3},
        {"type": "dense", "units": 8, "use_bias": False, "max_norm": 3.0},
        {"type": "batch_normalization", "momentum": 0.8},
        {"type": "activation", "function": "relu"},
        {"type": "dense"},
    ]
}
SETTINGS: dict[str, dict[str, Any]] = {
    "article-dropout": {"epochs": 3, "batch_size": 16},
    "article-batchnorm": {"epochs": 3, "batch_size": 16},
    "everything": {
        "epochs": 12,
        "batch_size": 48,
        "schedule": "one_cycle",
        "class_weight": "balanced",
        "label_smoothing": 0.1,
        "weight_decay": 0.001,
        "gradient_clip_norm": 1.0,
        "early_stopping": {"patience": 2, "minimum_change": 0.05},
    },
}
STOPS = (
    "first batch",
    "second batch",
    "last batch of an epoch",
    "between epochs",
    "first batch of an epoch",
    "middle",
    "last batch of all",
    "end of training",
    "before the statistics",
    "during the statistics",
    "end of the statistics",
)
HAS_STATISTICS = {"article-dropout": False, "article-batchnorm": True, "everything": True}
# Without batch normalization training ends in its last epoch: the stops behind that are nowhere.
CASES = [(case, name) for case, has in HAS_STATISTICS.items() for name in (STOPS if has else STOPS[:8])]
each_case = pytest.mark.parametrize("trial", SETTINGS, indirect=True)


@dataclass(frozen=True)
class Trial:
    """A case: what is run, what came of it when nothing happened, and how many yields there are to stop at."""

    place: Workplace
    dataset: str
    network: dict[str, Any]
    settings: dict[str, Any]
    steps: int
    said: Said
    digests: dict[str, str]
    yields: int

    def stop(self, name: str) -> int:
        """The number of the yield, from 1, that a stop is at."""
        training = len(self.said.of("epoch")) * (self.steps + 1)
        early = [1, 2, self.steps, self.steps + 1, self.steps + 2, training // 2]
        late = [training - 1, training, training + 1, training + 2, self.yields]
        return [*early, *late][STOPS.index(name)]


def squares() -> Columns:
    """60 pictures of 64 x 64: noise around a shade of their class."""
    generator = np.random.Generator(np.random.PCG64(3))
    images = [generator.integers(60 * (row % 3), 60 * (row % 3) + 90, (64, 64, 3), dtype=np.uint8) for row in range(60)]
    return pictures(images, [("dark", "grey", "light")[row % 3] for row in range(60)])


@pytest.fixture(scope="module")
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    case: str = request.param
    place = Workplace(tmp_path_factory.mktemp("trial"))
    columns = flowers() if case == "everything" else squares()
    spec = EVERYTHING if case == "everything" else network(case)
    dataset = place.add(columns)
    settings = {"seed": 7, **SETTINGS[case]}
    prepared = prepare(columns, NetworkSpec.model_validate(spec), TrainingSettings.model_validate(settings), None)
    counted = StopAt(1_000_000)
    said, digests = carried_out(order(place, dataset, spec, settings, number=0), counted)
    assert digests is not None
    return Trial(place, dataset, spec, settings, prepared.batches.steps, said, digests, counted.asked)


def told(*parts: Said) -> list[Message]:
    """The epochs that attempts reported, but for how long they took."""
    reports = [message["report"] for said in parts for message in said.of("epoch")]
    return [
        {key: value for key, value in report.items() if key not in ("seconds", "rows_per_second")} for report in reports
    ]


@pytest.mark.parametrize(("trial", "name"), CASES, indirect=["trial"])
def test_a_run_stopped_anywhere_and_gone_on_with_leaves_equal_files(trial: Trial, name: str) -> None:
    stop = trial.stop(name)
    assert stop <= trial.yields
    number = 10 * (STOPS.index(name) + 1)
    first, nothing = carried_out(order(trial.place, trial.dataset, trial.network, trial.settings, number), StopAt(stop))
    assert nothing is None
    (checkpoint,) = stored(first.messages)[:1]
    again = order(
        trial.place, trial.dataset, trial.network, trial.settings, number + 1, checkpoints=stored(first.messages)
    )
    second, digests = carried_out(again)
    assert digests == trial.digests
    assert told(first, second) == told(trial.said)
    assert second.of("log")[0]["message"].startswith(f"goes on from checkpoint-{len(first.of('checkpoint'))} of")
    assert checkpoint.key.startswith(f"runs/trial/attempt-{number}/")


@each_case
def test_the_trial_has_the_stops_that_it_is_to_have(trial: Trial) -> None:
    case = trial.network.get("name", "everything")
    statistics = trial.yields - trial.stop("end of training")
    assert (statistics > 2) == HAS_STATISTICS[case]
    assert trial.steps > 2
    assert sum(trial.stop(name) <= trial.yields for name in STOPS) >= 8
    if case == "everything":
        assert len(trial.said.of("epoch")) < trial.settings["epochs"], "early stopping is to end it"


@each_case
def test_a_run_that_gets_only_a_few_steps_further_each_time_ends_in_the_same_bytes(trial: Trial) -> None:
    made: list[Message] = []
    parts: list[Said] = []
    digests = None
    while digests is None:
        number = 500 + len(parts)
        wanted = order(trial.place, trial.dataset, trial.network, trial.settings, number, checkpoints=stored(made)[:2])
        said, digests = carried_out(wanted, StopAt(4))
        made += said.messages
        parts.append(said)
        assert len(parts) < 60
    assert len(parts) > 2
    assert digests == trial.digests
    assert told(*parts) == told(trial.said)

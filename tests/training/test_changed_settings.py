"""A state that goes on with other settings than it was taken under: what it knows holds only where it still applies."""

import json
from typing import Any

import pytest
from torch import Tensor

from app.domain.training.events import EpochReport
from app.domain.training.loop import train
from app.domain.training.run import TrainingRun
from app.domain.training.state import restore, take
from tests.training.cases import BATCH_NORM, CLASSES, begin, class_rows, equal, reports, settings, spec, weights

State = tuple[dict[str, Tensor], dict[str, object]]
EPOCHS = 12
STEEP = {"name": "sgd", "learning_rate": 6.0}
"""Steps this large make every later epoch worse than the best one."""
KEPT = {"monitor": "validation_loss", "patience": 100, "restore_best": True}


def run_with(**fields: Any) -> TrainingRun:
    chosen = settings(**{"optimizer": {"name": "sgd", "learning_rate": 0.1}, **fields})
    return begin(spec(*BATCH_NORM, *CLASSES), class_rows(48), chosen, class_rows(40, seed=1))


def state_after(epochs: int, **fields: Any) -> State:
    run = run_with(epochs=epochs, **fields)
    for event in train(run):
        if isinstance(event, EpochReport) and event.epoch == epochs:
            tensors, document = take(run)
            return {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(document))
    raise AssertionError("it stopped early")


def gone_on(state: State, *, new_horizon: bool = False, **fields: Any) -> tuple[list[EpochReport], TrainingRun]:
    run = run_with(**fields)
    restore(run, *state, new_horizon=new_horizon)
    return reports(run), run


def test_with_the_same_rule_the_best_epoch_may_be_one_before_the_state() -> None:
    state = state_after(EPOCHS, early_stopping=KEPT, population_statistics=False)
    before = run_with(epochs=EPOCHS, early_stopping=KEPT, population_statistics=False)
    list(train(before))
    seen, run = gone_on(state, epochs=EPOCHS + 4, early_stopping=KEPT, optimizer=STEEP, population_statistics=False)
    assert not any(report.best for report in seen)
    assert equal(weights(run.network), weights(before.network))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({}, {"early_stopping": KEPT}, id="weights to be put back that nobody kept"),
        pytest.param(
            {"early_stopping": {**KEPT, "restore_best": False}}, {"early_stopping": KEPT}, id="kept from now on"
        ),
        pytest.param(
            {"early_stopping": {**KEPT, "monitor": "validation_accuracy"}},
            {"early_stopping": KEPT},
            id="another metric",
        ),
        pytest.param(
            {"early_stopping": KEPT}, {"early_stopping": KEPT, "label_smoothing": 0.2}, id="losses of another meaning"
        ),
    ],
)
def test_what_cannot_be_compared_begins_anew_and_the_best_of_the_new_epochs_is_put_back(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    state = state_after(EPOCHS, **old)
    run = run_with(epochs=EPOCHS + 6, optimizer=STEEP, population_statistics=False, **new)
    restore(run, *state)
    at: dict[int, dict[str, Tensor]] = {}
    losses: dict[int, float] = {}
    for event in train(run):
        if isinstance(event, EpochReport):
            at[event.epoch], losses[event.epoch] = weights(run.network), event.validation["loss"]
    assert len(losses) == 6
    best = min(losses, key=lambda epoch: losses[epoch])
    assert best < EPOCHS + 6
    assert equal(weights(run.network), at[best])


def test_weights_that_are_not_to_be_put_back_any_more_are_not() -> None:
    state = state_after(EPOCHS, early_stopping=KEPT)
    last = {**KEPT, "restore_best": False}
    run = run_with(epochs=EPOCHS + 3, early_stopping=last, optimizer=STEEP, population_statistics=False)
    restore(run, *state)
    at: dict[int, dict[str, Tensor]] = {}
    for event in train(run):
        if isinstance(event, EpochReport):
            at[event.epoch] = weights(run.network)
    assert equal(weights(run.network), at[EPOCHS + 3])


def test_accuracies_stay_comparable_where_labels_are_smoothed() -> None:
    rule = {**KEPT, "monitor": "validation_accuracy"}
    state = state_after(EPOCHS, early_stopping=rule)
    run = run_with(epochs=EPOCHS + 3, early_stopping=rule, label_smoothing=0.2)
    restore(run, *state)
    assert (run.best.value, run.best.waited) == (state[1]["best_value"], state[1]["waited"])
    assert run.best.weights.keys() == run.network.state_dict().keys()


def test_a_schedule_given_anew_begins_at_its_own_rate_and_one_that_is_kept_where_the_plateau_had_come_to() -> None:
    # Once the running statistics stand still, no loss falls at such a rate: the plateau lowers it.
    slow = {"name": "sgd", "learning_rate": 1e-9}
    state = state_after(20, schedule="reduce_on_plateau", optimizer=slow)
    assert state[1]["plateau_factor"] == 0.1
    kept, _ = gone_on(state, epochs=21, schedule="reduce_on_plateau")
    anew, _ = gone_on(state, epochs=21, schedule="constant", new_horizon=True)
    assert kept[0].learning_rate == pytest.approx(0.01)
    assert anew[0].learning_rate == 0.1


def test_a_plateau_does_not_wait_for_a_loss_of_another_meaning() -> None:
    state = state_after(5, schedule="reduce_on_plateau")
    run = run_with(epochs=9, schedule="reduce_on_plateau", label_smoothing=0.3)
    restore(run, *state)
    assert (run.plateau.factor, run.plateau.lowest, run.plateau.waited) == (1.0, None, 0)

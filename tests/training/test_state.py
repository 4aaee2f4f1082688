"""A run that goes on from a taken state gives the same bits as one that was never disturbed."""

import itertools
import json
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from app.domain.network.spec import NetworkSpec
from app.domain.training.events import EpochReport, Step
from app.domain.training.loop import train
from app.domain.training.run import TrainingRun
from app.domain.training.state import restore, take
from app.errors import Damaged
from tests.training.cases import (
    BATCH_NORM,
    CLASSES,
    DROPOUT,
    NUMBER,
    PLAIN,
    activation,
    begin,
    class_rows,
    dense,
    dropout,
    equal,
    norm,
    number_rows,
    reports,
    settings,
    spec,
    weights,
)

BOTH = [dropout(0.2), dense(8), norm(), activation("relu"), dropout(0.5)]
FULL: dict[str, Any] = {
    "epochs": 6,
    "schedule": "one_cycle",
    "class_weight": "balanced",
    "label_smoothing": 0.1,
    "weight_decay": 0.01,
    "early_stopping": {"patience": 2, "minimum_change": 0.01},
}
CASES: dict[str, tuple[NetworkSpec, dict[str, Any]]] = {
    "dropout": (spec(*DROPOUT, *CLASSES), FULL),
    "batch norm": (spec(*BATCH_NORM, *CLASSES), FULL),
    "both, sgd": (
        spec(*BOTH, *CLASSES),
        {**FULL, "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}, "gradient_clip_norm": 1.0},
    ),
    "both, rmsprop, plateau": (
        spec(*BOTH, *CLASSES),
        {
            "epochs": 14,
            "batch_size": 25,
            "schedule": "reduce_on_plateau",
            "optimizer": {"name": "rmsprop", "learning_rate": 1e-6},
        },
    ),
    "numbers, noise": (
        spec({"type": "gaussian_noise", "stddev": 0.1}, *BATCH_NORM, *NUMBER),
        {**FULL, "class_weight": ..., "label_smoothing": ..., "schedule": "cosine"},
    ),
}


def _begin(case: str) -> TrainingRun:
    network, fields = CASES[case]
    rows = number_rows if case.startswith("numbers") else class_rows
    chosen = settings(**{name: value for name, value in fields.items() if value is not ...})
    # 50 rows in batches of 16: the last batch is smaller.
    run = begin(network, rows(50), chosen, rows(30, seed=1))
    # Several batches for each layer's population statistics.
    run.chunk_rows = 20
    return run


def _told(event: Step | EpochReport) -> str:
    return repr(event)


def _through_files(run: TrainingRun) -> tuple[dict[str, Tensor], dict[str, object]]:
    tensors, document = take(run)
    return load(save(tensors)), json.loads(json.dumps(document))


@pytest.mark.parametrize("case", CASES)
def test_a_run_goes_on_bit_equal_from_every_yield(case: str) -> None:
    undisturbed = _begin(case)
    told, states = [], []
    for event in train(undisturbed):
        told.append(_told(event))
        states.append(_through_files(undisturbed))
    assert len(told) > 12
    for stop, (tensors, document) in enumerate(states):
        again = _begin(case)
        restore(again, tensors, document)
        assert [_told(event) for event in train(again)] == told[stop + 1 :], f"after yield {stop}: {told[stop]}"
        assert equal(weights(again.network), weights(undisturbed.network)), f"after yield {stop}: {told[stop]}"
        assert _equal_states(again, undisturbed)


def test_the_cases_pass_every_kind_of_stop() -> None:
    stops = {
        (type(event).__name__, event.phase, event.step) if isinstance(event, Step) else (type(event).__name__, "", 0)
        for event in train(_begin("batch norm"))
    }
    assert {("Step", "training", step) for step in (1, 2, 3, 4)} <= stops
    assert {("Step", "statistics", step) for step in range(7)} <= stops
    assert ("EpochReport", "", 0) in stops


def test_a_plateau_lowers_the_rate_in_its_case() -> None:
    rates = {report.learning_rate for report in reports(_begin("both, rmsprop, plateau"))}
    assert len(rates) > 1


def test_a_state_taken_before_the_first_step_is_a_whole_run() -> None:
    fresh, again = _begin("dropout"), _begin("dropout")
    restore(again, *_through_files(fresh))
    assert list(map(_told, train(again))) == list(map(_told, train(fresh)))


def test_a_restored_run_has_copies() -> None:
    run = _begin("dropout")
    for _ in itertools.islice(train(run), 6):
        pass
    tensors, document = take(run)
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    again = _begin("dropout")
    restore(again, kept, document)
    before = {name: tensor.clone() for name, tensor in kept.items()}
    list(train(again))
    assert equal(before, kept)


def test_with_more_epochs_a_run_goes_on_over_its_first_horizon_unless_given_anew() -> None:
    short = spec(*PLAIN, *CLASSES)
    first = begin(short, class_rows(40), settings(epochs=2, schedule="cosine"))
    state: tuple[dict[str, Tensor], dict[str, object]] = ({}, {})
    for event in train(first):
        if isinstance(event, EpochReport):
            state = _through_files(first)
    rates = []
    for new_horizon in (False, True):
        longer = begin(short, class_rows(40), settings(epochs=4, schedule="cosine"))
        restore(longer, *state, new_horizon=new_horizon)
        told = reports(longer)
        assert [report.epoch for report in told] == [3, 4]
        rates.append(told[0].learning_rate)
    assert rates[0] == 0.0
    assert rates[1] > 0.0


def test_a_state_of_another_network_or_plan_is_refused() -> None:
    tensors, document = _through_files(_begin("dropout"))
    with pytest.raises(Damaged, match="not one of this run"):
        restore(_begin("batch norm"), tensors, document)
    with pytest.raises(Damaged, match="not one of this run"):
        restore(_begin("dropout"), tensors, {**document, "epoch": "one"})
    with pytest.raises(Damaged, match="not one of this run"):
        restore(_begin("dropout"), {name: tensors[name] for name in tensors if name != "sums"}, document)
    with pytest.raises(Damaged, match="4 steps an epoch; this run has 5"):
        restore(begin(spec(*DROPOUT, *CLASSES), class_rows(66), settings(**FULL), class_rows(9)), tensors, document)


def test_nothing_random_outlives_a_step() -> None:
    # Another process's torch and numpy states are whatever they are.
    run, again = _begin("dropout"), _begin("dropout")
    for _ in itertools.islice(train(run), 5):
        pass
    state = _through_files(run)
    torch.manual_seed(123)
    restore(again, *state)
    list(train(again))
    list(train(run))
    assert equal(weights(run.network), weights(again.network))


def _equal_states(one: TrainingRun, other: TrainingRun) -> bool:
    (tensors, document), (others, same) = take(one), take(other)
    return document == same and equal(tensors, others)

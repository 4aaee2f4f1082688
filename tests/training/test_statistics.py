"""Population statistics: the pooled mean and unbiased variance of what each layer is really given."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.domain.training.build import build
from app.domain.training.data import TrainingData
from app.domain.training.events import Step
from app.domain.training.loop import train
from app.domain.training.modules import BatchNormModule
from app.domain.training.run import TrainingRun
from app.domain.training.statistics import Moments, layer_inputs
from tests.training.cases import (
    BATCH_NORM,
    CLASSES,
    INPUTS,
    begin,
    class_rows,
    dense,
    dropout,
    equal,
    norm,
    reports,
    settings,
    spec,
    weights,
)


@given(cuts=st.lists(st.integers(1, 59), max_size=5), offset=st.sampled_from([0.0, 1e4, -1e7]))
def test_moments_do_not_depend_on_how_the_rows_are_cut(cuts: list[int], offset: float) -> None:
    rows = torch.randn(60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + offset
    moments = Moments()
    edges = [0, *sorted(set(cuts)), 60]
    for start, stop in pairwise(edges):
        moments.add(rows[start:stop])
    np.testing.assert_allclose(moments.mean.numpy(), rows.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance.numpy(), rows.numpy().var(0, ddof=1), rtol=1e-6)


def test_moments_stay_right_far_from_zero() -> None:
    # E[x²] - E[x]² in float32 is NaN or nonsense here.
    rows = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) + 1e4
    moments = Moments()
    moments.add(rows[:400])
    moments.add(rows[400:])
    np.testing.assert_allclose(moments.variance.numpy(), rows.numpy().astype(np.float64).var(0, ddof=1), rtol=1e-9)


def test_every_layer_gets_the_statistics_of_what_it_is_given_in_eval_mode() -> None:
    network = spec(dense(8), norm(momentum=0.99), dropout(0.5), dense(8), norm(momentum=0.99), *CLASSES)
    data = class_rows(70)
    run = begin(network, data, settings(epochs=1))
    reports(run)
    inputs = data.features
    with torch.no_grad():
        for layer in run.network.layers:
            if isinstance(layer, BatchNormModule):
                np.testing.assert_allclose(layer.running_mean.numpy(), inputs.numpy().mean(0), rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(layer.running_var.numpy(), inputs.numpy().var(0, ddof=1), rtol=1e-4)
            inputs = layer(inputs)


def test_whatever_mode_the_caller_left_the_network_in_its_inputs_are_those_of_eval_mode() -> None:
    data = class_rows(20)
    network = build(spec(dropout(0.5), norm(), *CLASSES), 0)
    network.train()
    assert torch.equal(layer_inputs(network, data, 1, 0, 20), data.features)


def test_dropout_before_batch_norm_shifts_the_variance_between_training_and_eval_mode() -> None:
    # Li et al. 2019, Eq. 8: for zero mean, the variance in eval mode is 1 - rate of the one in training.
    for rate in (0.3, 0.5):
        module = build(spec(dropout(rate), *CLASSES), 0).layers[0]
        rows = torch.randn(40_000, INPUTS, generator=torch.Generator().manual_seed(0))
        module.train()
        in_training = module(rows).var()
        module.eval()
        assert float(module(rows).var() / in_training) == pytest.approx(1 - rate, rel=0.01)


def test_only_the_running_statistics_change() -> None:
    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(70), settings(epochs=1))
    before = _weights_before_statistics(run)
    changed = {name for name, tensor in weights(run.network).items() if not torch.equal(tensor, before[name])}
    assert changed == {f"layers.{index}.running_{what}" for index in (1, 4) for what in ("mean", "var")}


def test_they_cure_a_momentum_that_remembers_the_initial_statistics() -> None:
    far = class_rows(200)
    data = TrainingData(far.features * 20 + 100, far.targets)
    slow = spec(norm(momentum=0.99), dense(16), norm(momentum=0.99), *CLASSES)
    run = begin(slow, data, settings(epochs=2, optimizer={"name": "adam", "learning_rate": 0.02}))
    last = reports(run)[-1]
    with torch.inference_mode():
        cured = (run.network(data.features).argmax(1) == data.targets).to(torch.float64).mean().item()
    assert cured > 0.95
    assert last.train_eval["accuracy"] < cured - 0.15


def test_they_do_not_depend_on_how_many_rows_are_taken_at_once() -> None:
    runs = [begin(spec(*BATCH_NORM, *CLASSES), class_rows(70), settings(epochs=1)) for _ in range(2)]
    runs[1].chunk_rows = 9
    events = [
        [event for event in train(run) if isinstance(event, Step) and event.phase == "statistics"] for run in runs
    ]
    assert [len(seen) for seen in events] == [1 + 2, 1 + 2 * 8]
    whole, chunked = (weights(run.network) for run in runs)
    for name, tensor in whole.items():
        np.testing.assert_allclose(tensor.numpy(), chunked[name].numpy(), rtol=1e-5, err_msg=name)


def test_they_may_be_turned_off() -> None:
    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(70), settings(epochs=1, population_statistics=False))
    assert equal(_weights_before_statistics(run), weights(run.network))


def _weights_before_statistics(run: TrainingRun) -> dict[str, torch.Tensor]:
    before: dict[str, torch.Tensor] = {}
    for event in train(run):
        if not isinstance(event, Step) or event.phase == "training" or event.step == 0:
            before = weights(run.network)
    return before or pytest.fail("the run yielded nothing")

"""Monte Carlo dropout: the trained network in eval mode, with just its dropouts on."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.domain.data.preprocessing import NumberTarget
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.monte_carlo import MonteCarloNetwork
from app.domain.inference.passes import block_passes
from app.domain.inference.uncertainty import uncertainty
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import Network
from app.domain.training.freeze import freeze, freeze_monte_carlo
from app.domain.training.modules import DropoutModule
from app.domain.training.parity import prove_monte_carlo
from app.errors import Damaged, InvalidRows, TooLarge, Unfaithful
from tests.freezing.by_hand import answer_by_hand
from tests.freezing.specs import resolved_specs, rows_for, trained
from tests.freezing.test_frozen_answers import SCALE, target_of

LAYERS: list[dict[str, Any]] = [
    {"type": "dense", "units": 12, "use_bias": False},
    {"type": "batch_normalization"},
    {"type": "activation", "function": "relu"},
    {"type": "dropout", "rate": 0.5},
    {"type": "gaussian_noise", "stddev": 2.0},
    {"type": "dense", "units": 9, "activation": "tanh"},
    {"type": "dropout", "rate": 0.25},
    {"type": "batch_normalization"},
    {"type": "dense", "units": 3},
]
seeds = st.integers(0, 2**16)


def spec_of(layers: list[dict[str, Any]], inputs: int = 6, classes: int = 3) -> NetworkSpec:
    task = Task.CLASSIFICATION if classes else Task.REGRESSION
    return NetworkSpec.model_validate({"layers": layers}).resolved((inputs,), task, classes)


def monte_carlo_of(network: Network, task: Task = Task.CLASSIFICATION, temperature: float = 1.0) -> MonteCarloNetwork:
    content = freeze_monte_carlo(network, target_of(network, task), temperature)
    assert content is not None
    return MonteCarloNetwork(content)


@pytest.fixture(scope="module")
def network() -> Network:
    return trained(spec_of(LAYERS), 1).eval()


@pytest.fixture(scope="module")
def monte_carlo(network: Network) -> MonteCarloNetwork:
    return monte_carlo_of(network)


def in_torch(network: Network, row: np.ndarray[Any, np.dtype[np.float32]], masks: dict[int, Tensor]) -> Tensor:
    """The network in eval mode, its dropouts multiplying by `masks`."""
    values = torch.from_numpy(row)
    network.eval()
    with torch.inference_mode():
        for index, module in enumerate(network.layers):
            values = values * masks[index] if isinstance(module, DropoutModule) else module(values)
    return values


def test_passes_are_what_torch_answers_with_the_same_masks(network: Network, monte_carlo: MonteCarloNetwork) -> None:
    for row in np.split(rows_for(network.spec, 5, 3), 5):
        masks = monte_carlo.masks(seed=11, block=1)
        by_layer = {index: torch.from_numpy(mask) for index, mask in zip((3, 6), masks, strict=True)}
        expected = in_torch(network, row, by_layer).numpy()
        assert expected.std(axis=0).min() > 1e-3
        np.testing.assert_allclose(monte_carlo.answers(row, masks), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(resolved_specs(), seeds, st.sampled_from([1.0, 0.5, 3.0]))
def test_whatever_stands_in_a_network_its_passes_are_those_of_the_formulas(
    drawn: tuple[NetworkSpec, Task], seed: int, temperature: float
) -> None:
    spec, task = drawn
    network, row = trained(spec, seed), rows_for(spec, 1, seed)
    heat = temperature if task is Task.CLASSIFICATION else 1.0
    target = target_of(network, task)
    content = freeze_monte_carlo(network, target, heat)
    assert (content is None) == (not spec.dropouts)
    if content is None:
        return
    monte_carlo = MonteCarloNetwork(content)
    masks = monte_carlo.masks(seed, 0)
    for calibrated in (True, False):
        by_hand = answer_by_hand(network, row, dict(zip(spec.dropouts, masks, strict=True)), heat if calibrated else 1)
        if isinstance(target, NumberTarget):
            by_hand = by_hand * SCALE.deviation + SCALE.mean
        elif by_hand.shape[1] == 1:
            by_hand = np.concatenate([1 - by_hand, by_hand], axis=1)
        answers = monte_carlo.answers(row, masks, calibrated=calibrated)
        np.testing.assert_allclose(answers, np.broadcast_to(by_hand, answers.shape), rtol=1e-3, atol=1e-3)


def test_uncertainty_is_summed_up_over_just_the_passes_asked_for(
    network: Network, monte_carlo: MonteCarloNetwork
) -> None:
    rows = rows_for(network.spec, 3, 5)
    blocks = [monte_carlo.masks(7, block) for block in (0, 1)]
    for samples in (1, 50, 51, 73):
        found = monte_carlo.uncertain(rows, samples=samples, seed=7)
        for row in range(3):
            passes = np.concatenate([monte_carlo.answers(rows[row : row + 1], masks) for masks in blocks])
            expected = uncertainty(passes[np.newaxis, :samples], classes=True)
            assert found.mean[row].tobytes() == expected.mean[0].tobytes()
            assert found.standard_deviation[row].tobytes() == expected.standard_deviation[0].tobytes()
        assert found.samples == samples


def test_a_row_has_the_same_bits_alone_batched_and_shuffled(network: Network) -> None:
    rows, first = rows_for(network.spec, 40, 9), monte_carlo_of(network)
    together = first.uncertain(rows, samples=60, seed=5)
    order = np.random.Generator(np.random.PCG64(1)).permutation(len(rows))
    shuffled = monte_carlo_of(network).uncertain(rows[order], samples=60, seed=5)
    first.uncertain(rows[:2], samples=3, seed=6)
    alone = [first.uncertain(rows[row : row + 1], samples=60, seed=5) for row in range(len(rows))]
    for name in ("mean", "standard_deviation", "predictive_entropy", "mutual_information"):
        values = getattr(together, name)
        assert getattr(shuffled, name).tobytes() == values[order].tobytes()
        assert np.concatenate([getattr(one, name) for one in alone]).tobytes() == values.tobytes()


def test_a_seed_repeats_itself_and_another_differs(network: Network, monte_carlo: MonteCarloNetwork) -> None:
    rows = rows_for(network.spec, 2, 2)
    first, again, other = (monte_carlo.uncertain(rows, samples=20, seed=seed) for seed in (2**53 - 1, 2**53 - 1, 4))
    assert first.mean.tobytes() == again.mean.tobytes()
    assert not np.array_equal(first.mean, other.mean)


def test_many_passes_come_near_to_the_expectation_over_all_masks() -> None:
    layers = [{"type": "dropout", "rate": 0.3}, {"type": "dense", "units": 3}]
    network = trained(spec_of(layers, inputs=4), 3)
    row = rows_for(network.spec, 1, 4)
    masks = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T.astype(np.float32)
    weights = np.prod(np.where(masks > 0, 0.7, 0.3), axis=1)
    answers = answer_by_hand(network, row, {0: masks / np.float32(0.7)})
    mean = weights @ answers
    deviation = np.sqrt(weights @ np.square(answers - mean))
    found = monte_carlo_of(network).uncertain(row, samples=1000, seed=1)
    assert np.abs(found.mean[0] - mean).max() < 5 * deviation.max() / np.sqrt(1000)
    np.testing.assert_allclose(found.standard_deviation[0], deviation, rtol=0.1)


def test_masks_that_drop_nothing_answer_as_eval_mode(network: Network, monte_carlo: MonteCarloNetwork) -> None:
    target, rows = target_of(network, Task.CLASSIFICATION), rows_for(network.spec, 4, 6)
    eval_mode = FrozenNetwork(freeze(network, target, 4)).answer(rows)
    whole = (np.ones((1, 12), np.float32), np.ones((1, 9), np.float32))
    answers = np.concatenate([monte_carlo.answers(rows[row : row + 1], whole) for row in range(4)])
    np.testing.assert_allclose(answers, eval_mode, atol=1e-6)


def test_the_proof_sees_other_weights(network: Network) -> None:
    target, rows = target_of(network, Task.CLASSIFICATION), rows_for(network.spec, 4, 6)
    own, strange = (freeze_monte_carlo(one, target) for one in (network, trained(network.spec, 2)))
    assert own is not None
    assert strange is not None
    assert freeze_monte_carlo(trained(network.spec, 1), target) == own
    prove_monte_carlo(network, own, target, rows, 1.0)
    with pytest.raises(Unfaithful):
        prove_monte_carlo(network, strange, target, rows, 1.0)


def test_a_number_comes_in_its_own_units_with_a_deviation_alone() -> None:
    spec = spec_of([{"type": "dense", "units": 8}, {"type": "dropout", "rate": 0.5}, {"type": "dense"}], classes=0)
    network = trained(spec, 1)
    found = monte_carlo_of(network, Task.REGRESSION).uncertain(rows_for(spec, 3, 1), samples=200, seed=1)
    assert (found.predictive_entropy, found.mutual_information, found.mean.shape) == (None, None, (3, 1))
    assert (found.standard_deviation > 0.1).all()
    assert np.abs(found.mean - SCALE.mean).max() < 20 * SCALE.deviation


def test_no_rows_get_no_answer(network: Network, monte_carlo: MonteCarloNetwork) -> None:
    found = monte_carlo.uncertain(rows_for(network.spec, 0, 1), samples=5, seed=0)
    assert found.mean.shape == (0, 3)


@pytest.mark.parametrize("samples", [0, -1, 1001])
def test_the_number_of_passes_has_bounds(network: Network, monte_carlo: MonteCarloNetwork, samples: int) -> None:
    with pytest.raises(InvalidRows, match="1 to 1000") as caught:
        monte_carlo.uncertain(rows_for(network.spec, 1, 1), samples=samples, seed=0)
    assert caught.value.code == "samples_invalid"


def test_rows_times_passes_times_width_has_a_bound_and_the_message_says_how_many_rows_fit(
    network: Network, monte_carlo: MonteCarloNetwork
) -> None:
    many = np.broadcast_to(np.zeros((1, 6), np.float32), (10**8, 6))
    with pytest.raises(TooLarge, match=r"\d+ rows are allowed") as caught:
        monte_carlo.uncertain(many, samples=50, seed=0)
    assert caught.value.code == "monte_carlo_too_large"


def test_rows_of_another_shape_and_answers_that_are_not_finite_are_refused(
    network: Network, monte_carlo: MonteCarloNetwork
) -> None:
    with pytest.raises(InvalidRows, match=r"\[6\]; received \[5\]"):
        monte_carlo.uncertain(np.zeros((1, 5), np.float32), samples=5, seed=0)
    rows = rows_for(network.spec, 3, 1)
    rows[1] = np.float32("inf")
    with pytest.raises(InvalidRows, match="row 1") as caught:
        monte_carlo.uncertain(rows, samples=5, seed=0)
    assert caught.value.code == "answer_not_finite"


def test_a_file_of_another_kind_is_damaged(network: Network) -> None:
    for content in (b"no onnx", freeze(network, target_of(network, Task.CLASSIFICATION), 4)):
        with pytest.raises(Damaged):
            MonteCarloNetwork(content)


def test_wide_dropouts_get_fewer_passes_in_a_block() -> None:
    wide = spec_of([{"type": "dropout", "rate": 0.3}, {"type": "dense"}], inputs=400_000)
    assert block_passes(spec_of(LAYERS)) == 50
    assert block_passes(wide) == 1

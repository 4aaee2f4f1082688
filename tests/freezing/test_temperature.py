"""A temperature in a frozen network: what it changes, and that the answered class is not among it."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.data.preprocessing import ClassTarget
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import tile_rows
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import Network
from app.domain.training.freeze import freeze
from app.domain.training.parity import freeze_and_prove, reference_answers
from tests.freezing.by_hand import answer_by_hand
from tests.freezing.specs import resolved_specs, rows_for, trained
from tests.freezing.test_frozen_answers import target_of

temperatures = st.floats(0.05, 20).filter(lambda value: value != 1)
seeds = st.integers(0, 2**16)


@settings(max_examples=40, deadline=None)
@given(resolved_specs(), seeds, temperatures)
def test_both_answers_are_those_of_the_formulas(drawn: tuple[NetworkSpec, Task], seed: int, temperature: float) -> None:
    spec, task = drawn
    if task is Task.REGRESSION:
        return
    network, rows = trained(spec, seed), rows_for(spec, 9, seed)
    target = target_of(network, task)
    frozen = FrozenNetwork(freeze(network, target, tile_rows(spec), temperature))
    assert frozen.temperature == temperature
    for calibrated, heat in ((True, temperature), (False, 1.0)):
        by_hand = answer_by_hand(network, rows, temperature=heat)
        if by_hand.shape[1] == 1:
            by_hand = np.concatenate([1 - by_hand, by_hand], axis=1)
        answers = frozen.answer(rows, calibrated=calibrated)
        # A temperature below 1 makes the rounding of logits as much larger.
        allowed = 2e-4 / min(1, heat)
        np.testing.assert_allclose(answers, by_hand, atol=allowed)
        np.testing.assert_allclose(answers, reference_answers(network, target, rows, heat), atol=allowed)


def constant(logits: list[float]) -> Network:
    """A network that answers every row with the softmax of `logits`."""
    layers = [{"type": "dense", "units": len(logits)}]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((1,), Task.CLASSIFICATION, len(logits))
    network = trained(spec, 1)
    with torch.no_grad():
        weight, bias = network.parameters()
        weight.zero_()
        bias.copy_(torch.tensor(logits))
    return network


nearly_equal = st.builds(
    lambda base, steps: [base * (1 + step * 2.0**-23) for step in steps],
    st.floats(0.01, 30),
    st.lists(st.integers(-3, 3), min_size=2, max_size=5),
)
any_logits = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.one_of(nearly_equal, any_logits), temperatures)
def test_the_answered_class_is_the_same_calibrated_or_not(logits: list[float], temperature: float) -> None:
    network = constant(logits)
    target, row = target_of(network, Task.CLASSIFICATION), np.zeros((1, 1), np.float32)
    frozen = FrozenNetwork(freeze(network, target, 4, temperature))
    calibrated, raw = frozen.answer(row)[0], frozen.answer(row, calibrated=False)[0]
    without = FrozenNetwork(freeze(network, target, 4)).answer(row)[0]
    label = int(calibrated.argmax())
    assert int(raw.argmax()) == label
    # Where the classes are nearer than float32 can tell after a temperature, either is the most probable one.
    assert without[label] >= without.max() * (1 - 1e-6 * max(1, temperature))
    np.testing.assert_allclose(raw, without, rtol=1e-4, atol=1e-6)
    assert max(raw) <= 1


@pytest.mark.parametrize(
    ("logits", "temperature"), [([1.0, 1 + 2**-21], 20.0), ([1.0, 1 + 2**-22], 10.0), ([2.0, 2.0], 3.0)]
)
def test_what_only_one_side_can_tell_apart_keeps_the_class_that_is_served(
    logits: list[float], temperature: float
) -> None:
    target, row = ClassTarget(name="y", labels=tuple("abc"[: len(logits)])), np.zeros((1, 1), np.float32)
    frozen = FrozenNetwork(freeze(constant(logits), target, 4, temperature))
    assert frozen.answer(row).argmax() == frozen.answer(row, calibrated=False).argmax()


def test_a_network_with_a_temperature_is_proved_on_both_sides_and_its_bytes_are_equal() -> None:
    layers = [{"type": "dense", "units": 9, "activation": "elu"}, {"type": "dense", "units": 3}]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((5,), Task.CLASSIFICATION, 3)
    network, rows = trained(spec, 1), rows_for(spec, 50, 1)
    target = target_of(network, Task.CLASSIFICATION)
    content, frozen, parity = freeze_and_prove(network, target, rows, temperature=1.75)
    assert parity.largest_difference < 1e-5
    assert parity.bit_equal_alone_batched_shuffled
    assert frozen.temperature == 1.75
    assert freeze(network, target, frozen.tile_rows, 1.75) == content
    model = onnx.load_from_string(content)
    assert [output.name for output in model.graph.output] == ["probabilities", "logits"]
    assert {entry.key: entry.value for entry in model.metadata_props}["temperature"] == "1.75"
    alone = np.concatenate([frozen.answer(rows[row : row + 1], calibrated=False) for row in range(len(rows))])
    assert alone.tobytes() == frozen.answer(rows, calibrated=False).tobytes()


def test_a_proof_sees_a_temperature_that_is_not_the_one_it_names() -> None:
    network = constant([2.0, -1.0])
    target, rows = target_of(network, Task.CLASSIFICATION), np.zeros((4, 1), np.float32)
    model = onnx.load_from_string(freeze(network, target, 4, 2.0))
    for entry in model.metadata_props:
        if entry.key == "temperature":
            entry.value = "3.0"
    wrong = FrozenNetwork(model.SerializeToString())
    assert np.abs(wrong.answer(rows) - reference_answers(network, target, rows, wrong.temperature)).max() > 0.05


@pytest.mark.parametrize("calibrated", [True, False])
def test_without_a_temperature_both_answers_are_one(calibrated: bool) -> None:
    network = constant([0.25, -0.5, 3.0])
    frozen = FrozenNetwork(freeze(network, target_of(network, Task.CLASSIFICATION), 4))
    assert frozen.temperature == 1
    rows = np.zeros((5, 1), np.float32)
    assert frozen.answer(rows, calibrated=calibrated).tobytes() == frozen.answer(rows).tobytes()

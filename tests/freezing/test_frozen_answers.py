"""A frozen network answers as the trained one does in eval mode, whatever stands in it."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from app.domain.data.preprocessing import ClassTarget, NumberTarget, Scale, Target
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import tile_rows
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import Network
from app.domain.training.freeze import freeze
from app.domain.training.parity import freeze_and_prove, prove, reference_answers
from app.errors import Diverged
from tests.freezing.by_hand import answer_by_hand
from tests.freezing.specs import FUNCTIONS, resolved_specs, rows_for, trained

SCALE = Scale(mean=-40.0, deviation=2.5)
seeds = st.integers(0, 2**16)


def target_of(network: Network, task: Task) -> Target:
    if task is Task.REGRESSION:
        return NumberTarget(name="y", scale=SCALE)
    line = summarize(network.spec).output_shape
    assert line is not None
    return ClassTarget(name="y", labels=tuple("abcde"[: max(2, line[0])]))


def article(kind: str) -> NetworkSpec:
    hidden = []
    for units in (16, 32, 64):
        norm = [{"type": "batch_normalization"}] if kind == "batch norm" else []
        drop = [{"type": "dropout", "rate": 0.5}] if kind == "dropout" else []
        dense = {"type": "dense", "units": units, "use_bias": kind != "batch norm"}
        hidden += [dense, *norm, {"type": "activation", "function": "relu"}, *drop]
    spec = NetworkSpec.model_validate({"layers": [*hidden, {"type": "dense", "units": 3}]})
    return spec.resolved((12_288,), Task.CLASSIFICATION, 3)


@settings(max_examples=120, deadline=None)
@given(resolved_specs(), seeds)
def test_a_frozen_network_answers_as_torch_and_as_the_formulas_do(drawn: tuple[NetworkSpec, Task], seed: int) -> None:
    spec, task = drawn
    network = trained(spec, seed)
    target, rows = target_of(network, task), rows_for(spec, 9, seed)
    answers = FrozenNetwork(freeze(network, target, tile_rows(spec))).answer(rows)
    by_hand = answer_by_hand(network, rows)
    if isinstance(target, NumberTarget):
        by_hand = by_hand * SCALE.deviation + SCALE.mean
    elif by_hand.shape[1] == 1:
        by_hand = np.concatenate([1 - by_hand, by_hand], axis=1)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, by_hand, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(answers, reference_answers(network, target, rows), rtol=2e-4, atol=2e-4)


@settings(max_examples=60, deadline=None)
@given(resolved_specs(), seeds, st.sampled_from([1, 4, 8, 32]))
def test_a_row_answers_the_same_alone_in_a_batch_and_shuffled(
    drawn: tuple[NetworkSpec, Task], seed: int, tile: int
) -> None:
    spec, task = drawn
    network = trained(spec, seed)
    target, rows = target_of(network, task), rows_for(spec, 41, seed)
    frozen = FrozenNetwork(freeze(network, target, tile))
    together = frozen.answer(rows)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(rows))
    alone = np.concatenate([frozen.answer(rows[row : row + 1]) for row in range(len(rows))])
    assert alone.tobytes() == together.tobytes()
    assert frozen.answer(rows[order]).tobytes() == together[order].tobytes()


@pytest.mark.parametrize("kind", ["dropout", "batch norm"])
def test_the_two_networks_of_the_article_are_proved(kind: str) -> None:
    network = trained(article(kind), 3)
    rows = np.abs(rows_for(network.spec, 50, 1)) % 1
    content, frozen, parity = freeze_and_prove(network, target_of(network, Task.CLASSIFICATION), rows)
    assert (parity.rows, parity.bit_equal_alone_batched_shuffled, frozen.tile_rows) == (50, True, 4)
    assert parity.largest_difference < 1e-5
    assert b"tile_rows" in content
    assert not network.training


@settings(max_examples=25, deadline=None)
@given(resolved_specs(), seeds)
def test_equal_weights_make_equal_bytes_and_other_weights_others(drawn: tuple[NetworkSpec, Task], seed: int) -> None:
    spec, task = drawn
    network, again = trained(spec, seed), trained(spec, seed)
    target = target_of(network, task)
    content = freeze(network, target, 4)
    assert freeze(again, target, 4) == content
    with torch.no_grad():
        list(again.parameters())[-1].add_(1.0)
    assert freeze(again, target, 4) != content


def test_a_batch_norm_right_behind_a_dense_layer_is_folded_and_any_other_stays() -> None:
    layers = [
        {"type": "batch_normalization"},
        {"type": "dense", "units": 4},
        {"type": "batch_normalization"},
        {"type": "dense", "units": 4, "activation": "relu"},
        {"type": "batch_normalization"},
        {"type": "dense", "units": 4},
        {"type": "dropout", "rate": 0.25},
        {"type": "batch_normalization"},
        {"type": "dense", "units": 3},
    ]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((5,), Task.CLASSIFICATION, 3)
    network, rows = trained(spec, 1), rows_for(spec, 9, 1)
    content = freeze(network, ClassTarget(name="y", labels=("a", "b", "c")), 4)
    np.testing.assert_allclose(FrozenNetwork(content).answer(rows), answer_by_hand(network, rows), rtol=1e-5, atol=1e-6)
    names = [node.name for node in onnx.load_from_string(content).graph.node]
    kept = sorted({name.split("_")[2] for name in names if name.startswith("batch_normalization")})
    assert kept == ["0", "4", "7"]


def test_each_dropout_keeps_its_place_and_rate_and_noise_is_gone() -> None:
    layers = [
        {"type": "dropout", "rate": 0.25},
        {"type": "dense", "units": 4},
        {"type": "gaussian_noise", "stddev": 1.0},
        {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 3},
    ]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((5,), Task.CLASSIFICATION, 3)
    model = onnx.load_from_string(freeze(trained(spec, 1), ClassTarget(name="y", labels=("a", "b", "c")), 4))
    rates = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    dropouts = [(node.name, float(rates[node.input[1]])) for node in model.graph.node if node.op_type == "Dropout"]
    assert dropouts == [("dropout_0", 0.25), ("dropout_3", 0.5)]
    assert all(len(node.input) == 2 for node in model.graph.node if node.op_type == "Dropout")
    assert [node.op_type for node in model.graph.node] == [
        "Dropout",
        "MatMul",
        "Add",
        "Dropout",
        "MatMul",
        "Add",
        "Softmax",
    ]


def test_the_file_names_no_producer_and_no_time() -> None:
    network = trained(article("dropout"), 1)
    model = onnx.load_from_string(freeze(network, target_of(network, Task.CLASSIFICATION), 4))
    assert (model.producer_name, model.producer_version, model.domain, model.doc_string) == ("", "", "", "")
    assert {entry.key: entry.value for entry in model.metadata_props} == {"format": "1", "tile_rows": "4"}


def test_a_sigmoid_answers_two_columns_that_make_one_and_keep_small_probabilities() -> None:
    spec = NetworkSpec.model_validate({"layers": [{"type": "dense", "units": 1, "use_bias": False}]})
    network = trained(spec.resolved((1,), Task.CLASSIFICATION, 2), 1)
    with torch.no_grad():
        next(network.parameters()).fill_(1.0)
    frozen = FrozenNetwork(freeze(network, ClassTarget(name="y", labels=("no", "yes")), 32))
    answers = frozen.answer(np.array([[0.0], [1.0], [40.0], [-40.0]], np.float32))
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(answers[2:, :], [[np.exp(-40), 1], [1, np.exp(-40)]], rtol=1e-5)


def test_the_proof_sees_a_frozen_network_of_other_weights() -> None:
    spec = article("dropout")
    network, other = trained(spec, 1), trained(spec, 2)
    target, rows = target_of(network, Task.CLASSIFICATION), rows_for(spec, 20, 1)
    assert prove(network, FrozenNetwork(freeze(other, target, 4)), target, rows).largest_difference > 0.01


def test_the_proof_sees_a_forgotten_eval_mode() -> None:
    network = trained(article("dropout"), 1).train()
    target, rows = target_of(network, Task.CLASSIFICATION), rows_for(network.spec, 20, 1)
    frozen = FrozenNetwork(freeze(network, target, 4))
    with torch.inference_mode():
        in_training = network.train().answer(torch.from_numpy(rows)).numpy()
    assert np.abs(in_training - frozen.answer(rows)).max() > 0.01
    assert prove(network, frozen, target, rows).largest_difference < 1e-5


def test_the_proof_sees_an_answer_that_depends_on_other_rows() -> None:
    spec = NetworkSpec.model_validate({"layers": [{"type": "dense"}]}).resolved((1,), Task.REGRESSION, 0)
    largest = helper.make_node("ReduceMax", ["input"], ["largest"], axes=[0], keepdims=1)
    source, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("input", "value")
    )
    graph = helper.make_graph(
        [largest, helper.make_node("Sub", ["input", "largest"], ["value"])], "g", [source], [result]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"format": "1", "tile_rows": "32"})
    dependent = FrozenNetwork(model.SerializeToString())
    target, rows = NumberTarget(name="y", scale=SCALE), np.abs(rows_for(spec, 20, 1))
    assert not prove(trained(spec, 1), dependent, target, rows).bit_equal_alone_batched_shuffled


def test_where_bits_depend_on_the_place_in_a_tile_the_tile_becomes_one_row() -> None:
    layers = [{"type": "dense", "units": 7, "activation": "elu"}, {"type": "dense", "units": 3}]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((5,), Task.CLASSIFICATION, 3)
    network = trained(spec, 1)
    target, rows = target_of(network, Task.CLASSIFICATION), rows_for(spec, 500, 1)
    # Seven elu values a row, two rows a tile: the four-wide kernel reaches some rows' values and not others'.
    uneven = prove(network, FrozenNetwork(freeze(network, target, 2)), target, rows)
    _, frozen, parity = freeze_and_prove(network, target, rows, tile=2)
    assert not uneven.bit_equal_alone_batched_shuffled
    assert (frozen.tile_rows, parity.bit_equal_alone_batched_shuffled) == (1, True)


def test_a_network_that_diverged_is_not_published() -> None:
    network = trained(article("dropout"), 1)
    with torch.no_grad():
        list(network.parameters())[-1].fill_(float("nan"))
    with pytest.raises(Diverged):
        freeze_and_prove(network, target_of(network, Task.CLASSIFICATION), rows_for(network.spec, 4, 1))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("width", [1, 3, 7, 16, 33])
def test_every_function_gives_a_row_the_same_bits_at_every_place_of_a_tile(function: str, width: int) -> None:
    layers = [
        {"type": "activation", "function": function},
        {"type": "dense", "units": width, "activation": function},
        {"type": "dense", "units": 3},
    ]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((width,), Task.CLASSIFICATION, 3)
    network = trained(spec, width)
    for tile in (4, 32):
        frozen = FrozenNetwork(freeze(network, target_of(network, Task.CLASSIFICATION), tile))
        parity = prove(network, frozen, target_of(network, Task.CLASSIFICATION), rows_for(spec, 67, 1))
        assert parity.bit_equal_alone_batched_shuffled

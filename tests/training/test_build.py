"""A spec becomes the network that Keras would make of it."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from app.domain.network.layers import Function, Initializer
from app.domain.training.build import build
from app.domain.training.initializers import initial_weight
from app.domain.training.masks import initial_generator
from app.domain.training.modules import BatchNormModule, DenseModule, apply
from app.errors import InvalidNetwork
from tests.training.cases import (
    BATCH_NORM,
    BINARY,
    CLASSES,
    DROPOUT,
    INPUTS,
    NUMBER,
    PLAIN,
    activation,
    dense,
    equal,
    norm,
    spec,
    weights,
)


def test_two_builds_with_one_seed_are_bit_equal_and_another_seed_differs() -> None:
    network = spec(*BATCH_NORM, *CLASSES)
    assert equal(weights(build(network, 5)), weights(build(network, 5)))
    assert not equal(weights(build(network, 5)), weights(build(network, 6)))


def test_a_layers_weights_depend_on_its_place_and_not_on_its_neighbours() -> None:
    one = build(spec(activation("relu"), dense(8), *CLASSES), 5)
    other = build(spec(norm(), dense(8), *CLASSES), 5)
    assert torch.equal(one.state_dict()["layers.1.weight"], other.state_dict()["layers.1.weight"])


def test_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    one = weights(build(spec(*DROPOUT, *CLASSES), 5))
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    torch.manual_seed(2)
    assert equal(one, weights(build(spec(*DROPOUT, *CLASSES), 5)))


def test_names_count_every_layer_of_the_spec() -> None:
    network = build(spec(*BATCH_NORM, *CLASSES), 0)
    assert len(network.layers) == len(network.spec.layers)
    assert "layers.3.weight" in network.state_dict()
    assert "layers.4.running_var" in network.state_dict()


def test_the_first_layer_of_the_documents_networks_is_glorot_uniform() -> None:
    network = build(spec(dense(16), *CLASSES, shape=(12_288,)), 0)
    weight = network.state_dict()["layers.0.weight"]
    limit = math.sqrt(6 / (12_288 + 16))
    assert weight.shape == (16, 12_288)
    assert 0.999 * limit < float(weight.abs().max()) <= limit * (1 + 1e-6)
    assert float(weight.var()) == pytest.approx(limit**2 / 3, rel=0.02)
    assert not network.state_dict()["layers.0.bias"].any()


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
    ],
)
def test_every_initialiser_has_kerass_variance(name: Initializer, variance: float) -> None:
    weight = initial_weight(name, 300, 200, initial_generator(1, 0))
    assert weight.dtype == torch.float32
    assert float(weight.mean()) == pytest.approx(0, abs=4 * math.sqrt(variance / weight.numel()))
    assert float(weight.var()) == pytest.approx(variance, rel=0.03)
    edge = math.sqrt(3 * variance) if name.endswith("uniform") else 2 * math.sqrt(variance) / 0.87962566103423978
    assert float(weight.abs().max()) <= edge * (1 + 1e-6)


def test_forward_gives_logits_and_answer_what_a_user_is_told() -> None:
    rows = torch.randn(5, INPUTS)
    classes, binary, number = (build(spec(*PLAIN, *output), 0) for output in (CLASSES, BINARY, NUMBER))
    assert torch.equal(classes.answer(rows), torch.softmax(classes(rows), -1))
    assert torch.equal(binary.answer(rows), torch.sigmoid(binary(rows)))
    assert binary.answer(rows).shape == (5, 1)
    assert torch.equal(number.answer(rows), number(rows))


def test_an_open_spec_is_refused() -> None:
    with pytest.raises(InvalidNetwork, match="not resolved"):
        build(spec(dense(3)), 0)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("linear", [-2.0, 0.5]),
        ("relu", [0.0, 0.5]),
        ("leaky_relu", [-0.4, 0.5]),
        ("elu", [math.exp(-2) - 1, 0.5]),
        ("gelu", [-1 + math.erf(math.sqrt(2)), 0.25 * (1 + math.erf(0.5 / math.sqrt(2)))]),
        ("selu", [1.0507009873554805 * 1.6732632423543772 * (math.exp(-2) - 1), 0.5 * 1.0507009873554805]),
        ("silu", [-2 / (1 + math.exp(2)), 0.5 / (1 + math.exp(-0.5))]),
        ("sigmoid", [1 / (1 + math.exp(2)), 1 / (1 + math.exp(-0.5))]),
        ("tanh", [math.tanh(-2), math.tanh(0.5)]),
        ("softmax", [1 / (1 + math.exp(2.5)), 1 / (1 + math.exp(-2.5))]),
    ],
)
def test_activations_have_kerass_constants(function: Function, expected: list[float]) -> None:
    assert apply(function, torch.tensor([-2.0, 0.5])).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_dense_layer_works_on_the_last_axis_and_applies_its_activation() -> None:
    layer = build(spec(dense(4, activation="relu"), {"type": "flatten"}, *CLASSES, shape=(5, INPUTS)), 0).layers[0]
    assert isinstance(layer, DenseModule)
    rows = torch.randn(2, 5, INPUTS)
    expected = (rows.numpy() @ layer.weight.detach().numpy().T).clip(min=0)
    np.testing.assert_allclose(layer(rows).detach().numpy(), expected, atol=1e-6)


def test_batch_norm_normalises_by_the_batch_in_training_and_by_its_running_statistics_in_eval_mode() -> None:
    layer = BatchNormModule(3, momentum=0.1, epsilon=1e-5, center=True, scale=True)
    rows = 4 * torch.randn(8, 3) + 10
    layer.train()
    batch = layer(rows)
    assert torch.allclose(batch.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(batch.var(0, unbiased=False), torch.ones(3), atol=1e-4)
    assert torch.allclose(layer.running_mean, 0.1 * rows.mean(0))
    assert torch.allclose(layer.running_var, 0.9 + 0.1 * rows.var(0, unbiased=True))
    assert layer.num_batches_tracked == 1
    layer.eval()
    expected = (rows - layer.running_mean) / torch.sqrt(layer.running_var + 1e-5)
    assert torch.allclose(layer(rows), expected, atol=1e-5)
    assert layer.num_batches_tracked == 1


def test_a_specs_momentum_is_the_weight_of_the_old_statistic() -> None:
    layer = build(spec(norm(momentum=0.75), *CLASSES), 0).layers[0]
    assert isinstance(layer, BatchNormModule)
    layer.train()
    layer(torch.full((4, INPUTS), 8.0))
    assert torch.allclose(layer.running_mean, torch.full((INPUTS,), 2.0))


def test_batch_norm_counts_every_axis_but_the_last_as_rows() -> None:
    flat, deep = (BatchNormModule(3, 0.1, 1e-5, center=True, scale=True) for _ in range(2))
    rows = torch.randn(4, 5, 2, 3)
    assert torch.equal(deep(rows).reshape(-1, 3), flat(rows.reshape(-1, 3)))
    assert torch.equal(deep.running_var, flat.running_var)


@pytest.mark.parametrize(("center", "scale"), [(False, True), (True, False), (False, False)])
def test_gain_and_offset_may_be_off(center: bool, scale: bool) -> None:
    layer = BatchNormModule(3, 0.1, 1e-5, center=center, scale=scale)
    assert (layer.bias is not None, layer.weight is not None) == (center, scale)
    rows = torch.randn(6, 3, requires_grad=True)
    expected = functional.batch_norm(rows, None, None, training=True, eps=1e-5)
    assert torch.allclose(layer(rows), expected, atol=1e-6)
    layer(rows).square().sum().backward()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_in_eval_mode_a_row_does_not_depend_on_its_neighbours_and_in_training_it_does() -> None:
    network = build(spec(*BATCH_NORM, *CLASSES), 0)
    rows, others = torch.randn(1, INPUTS), torch.randn(7, INPUTS)
    network.eval()
    assert torch.allclose(network(rows), network(torch.cat([rows, others]))[:1], atol=1e-6)
    network.train()
    one = network(torch.cat([rows, others]))[:1]
    assert not torch.allclose(one, network(torch.cat([rows, 5 + others]))[:1], atol=1e-2)

"""Shapes and parameters, counted as Keras counts them, before anything is allocated."""

import tracemalloc
from pathlib import Path

import pytest

from app.domain.network.layers import Parameters
from app.domain.network.shapes import MAX_ELEMENTS, MAX_PARAMETERS, summarize
from app.domain.network.spec import NetworkSpec
from app.errors import InvalidNetwork
from tests.domain_plan.forms import FLATTEN, NORM, Form, act, dense, dropout, network

EXAMPLES = Path(__file__).parents[2] / "examples" / "networks"


def example(name: str) -> NetworkSpec:
    return NetworkSpec.model_validate_json((EXAMPLES / f"{name}.json").read_text())


def test_the_dropout_network_counts_as_in_keras() -> None:
    assert summarize(example("article-dropout")).parameters == Parameters(trainable=199_475)


def test_the_batch_norm_network_counts_as_in_keras() -> None:
    summary = summarize(example("article-batchnorm"))
    assert summary.parameters == Parameters(trainable=199_811 - 224, non_trainable=224)
    assert summary.parameters.total == 199_811
    lines = [(line.type, line.output_shape, line.parameters) for line in summary.layers[:3]]
    assert lines == [
        ("dense", (16,), 196_608),
        ("batch_normalization", (16,), 64),
        ("activation", (16,), 0),
    ]


@pytest.mark.parametrize(
    ("layer", "shape", "output", "trainable", "non_trainable"),
    [
        (dense(5), (4,), (5,), 25, 0),
        (dense(5, use_bias=False), (4,), (5,), 20, 0),
        (dense(5), (2, 4), (2, 5), 25, 0),
        (NORM, (4,), (4,), 8, 8),
        (NORM, (2, 3, 4), (2, 3, 4), 8, 8),
        ({**NORM, "center": False}, (4,), (4,), 4, 8),
        ({**NORM, "center": False, "scale": False}, (4,), (4,), 0, 8),
        ({"type": "layer_normalization"}, (2, 4), (2, 4), 8, 0),
        (dropout(), (2, 4), (2, 4), 0, 0),
        ({"type": "gaussian_noise", "stddev": 0.1}, (4,), (4,), 0, 0),
        (FLATTEN, (2, 3, 4), (24,), 0, 0),
    ],
)
def test_a_layer_counts_as_in_keras(
    layer: Form, shape: tuple[int, ...], output: tuple[int, ...], trainable: int, non_trainable: int
) -> None:
    summary = summarize(network(layer, shape=shape))
    assert summary.output_shape == output
    assert summary.parameters == Parameters(trainable=trainable, non_trainable=non_trainable)


def test_what_an_open_input_shape_leaves_open_is_told_as_open() -> None:
    summary = summarize(network(dense(8), NORM, dense()))
    assert summary.parameters is None
    assert [line.parameters for line in summary.layers] == [None, None, None]
    assert summarize(network(FLATTEN, dense(8), NORM)).layers[1].output_shape == (8,)


@pytest.mark.parametrize("layers", [[dense(), dense(3)], [dense(), NORM, act("relu"), dense(3)], [dense(), NORM]])
@pytest.mark.parametrize("shape", [None, (4,)])
def test_units_may_be_left_open_in_the_output_alone(layers: list[Form], shape: tuple[int, ...] | None) -> None:
    with pytest.raises(InvalidNetwork) as caught:
        summarize(network(*layers, shape=shape))
    assert (caught.value.code, caught.value.errors[0].pointer) == ("units_missing", "/layers/0/units")


@pytest.mark.parametrize(
    ("layers", "shape", "pointer"),
    [
        ([dense(65_536), dense(65_536)], (4,), "/layers/1"),
        ([dense(5_000), dense(9_998, use_bias=False), dense(1)], (1,), "/layers/2"),
        ([dense(1)], (1_000_000, 5), "/input_shape"),
        ([FLATTEN, dense(1)], (1_000_000, 1_000_000, 1_000_000), "/input_shape"),
        ([dense(1000), FLATTEN], (5_000, 1), "/layers/0"),
    ],
)
def test_a_network_past_the_limits_is_refused_before_anything_is_allocated(
    layers: list[Form], shape: tuple[int, ...], pointer: str
) -> None:
    spec = network(*layers, shape=shape)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidNetwork) as caught:
            summarize(spec)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert (caught.value.code, caught.value.errors[0].pointer) == ("network_too_large", pointer)


def test_a_network_at_the_limits_is_taken() -> None:
    parameters = summarize(network(dense(5_000), dense(9_998, use_bias=False), shape=(1,))).parameters
    assert parameters is not None
    assert parameters.total == MAX_PARAMETERS
    assert summarize(network(FLATTEN, shape=(MAX_ELEMENTS // 1000, 1000))).output_shape == (MAX_ELEMENTS,)

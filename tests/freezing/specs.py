"""Random networks that can be built, with weights and statistics that a trained one could have."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from app.domain.network.layers import Shape
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import Network, build
from app.domain.training.modules import BatchNormModule

FUNCTIONS = ("relu", "leaky_relu", "elu", "gelu", "selu", "silu", "sigmoid", "tanh", "softmax", "linear")
Draw = st.DrawFn
Form = dict[str, Any]

_functions = st.sampled_from(FUNCTIONS)
_norm = {"center": st.booleans(), "scale": st.booleans()}
_hidden = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("dense"), "units": st.integers(1, 9), "use_bias": st.booleans()},
        optional={"activation": _functions},
    ),
    st.fixed_dictionaries({"type": st.just("activation"), "function": _functions}),
    st.fixed_dictionaries({"type": st.just("dropout"), "rate": st.floats(0, 0.9)}),
    st.fixed_dictionaries({"type": st.just("gaussian_noise"), "stddev": st.floats(0, 2)}),
    st.fixed_dictionaries(
        {"type": st.just("batch_normalization"), "momentum": st.floats(0, 0.99), "epsilon": st.floats(1e-6, 0.1)},
        optional=_norm,
    ),
    st.fixed_dictionaries({"type": st.just("layer_normalization"), "epsilon": st.floats(1e-4, 0.1)}, optional=_norm),
    st.just({"type": "flatten"}),
)
_shapes = st.one_of(
    st.tuples(st.integers(1, 12)),
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(3)),
)


@st.composite
def resolved_specs(draw: Draw) -> tuple[NetworkSpec, Task]:
    """A resolved spec of up to six hidden layers, for classes or for a number."""
    shape: Shape = draw(_shapes)
    hidden: list[Form] = draw(st.lists(_hidden, max_size=6))
    if len(shape) > 1:
        hidden.append({"type": "flatten"})
    task = draw(st.sampled_from(Task))
    classes = draw(st.integers(2, 5)) if task is Task.CLASSIFICATION else 0
    units = draw(st.sampled_from([1, 2])) if classes == 2 else max(classes, 1)
    output: Form = {"type": "dense", "units": units, "use_bias": draw(st.booleans())}
    spec = NetworkSpec.model_validate({"layers": [*hidden, output]})
    return spec.resolved(shape, task, classes), task


def trained(spec: NetworkSpec, seed: int) -> Network:
    """`spec` built, with gains, offsets, biases and running statistics moved off their initial values."""
    network = build(spec, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        for module in network.layers:
            if isinstance(module, BatchNormModule):
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator))
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.2)
    return network


def rows_for(spec: NetworkSpec, rows: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    assert spec.input_shape is not None
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, *spec.input_shape), dtype=np.float32)

"""A trained network → the bytes of its ONNX files: equal weights and temperatures make equal bytes.

Weights are folded in float64 and rounded to float32 once.
"""

import json
from dataclasses import replace

import numpy as np

from app.domain.data.preprocessing import NumberTarget, Target
from app.domain.inference.frozen import FORMAT, FORMAT_KEY, LOGITS, PROBABILITIES, TEMPERATURE_KEY, TILE_KEY, VALUE
from app.domain.inference.monte_carlo import (
    BLOCK_KEY,
    MASK_PREFIX,
    MONTE_CARLO_FORMAT,
    RATES_KEY,
    WORK_KEY,
)
from app.domain.inference.passes import block_passes, block_work, dropped_shapes
from app.domain.training.build import Network
from app.domain.training.fold import Affine, Apply, Drop, Step, folded_steps
from app.domain.training.graph import Graph, add_step

Steps = list[tuple[int, Step]]
_BATCH, _PASSES = "batch", "passes"


def freeze(network: Network, target: Target, tile: int, temperature: float = 1.0) -> bytes:
    """The frozen network of a trained one, as an ONNX file for tiles of `tile` rows.

    Input `input` is float32 [batch, *input_shape]. Output is `probabilities` [batch, classes], of two columns (1 - p,
    p) for one sigmoid unit, or `value` [batch, 1] in the units of `target`. Each dropout of the spec stays as an
    inactive node `dropout_<index of its layer>`. A `temperature` other than 1 is divided into the last weights, so that
    it costs nothing; there a second output is `logits` [batch, classes], whose softmax the probabilities are.
    """
    graph = Graph(network.spec.input_shape or (), _BATCH)
    steps = _calibrated(folded_steps(network), temperature)
    for index, step in _body(steps, target):
        add_step(graph, index, step)
    _add_answer(graph, target, steps, temperature, _BATCH)
    return graph.model("frozen", {FORMAT_KEY: FORMAT, TILE_KEY: str(tile), **_told(temperature)})


def freeze_monte_carlo(network: Network, target: Target, temperature: float = 1.0) -> bytes | None:
    """The same network with its dropouts on, as an ONNX file; None where it has none.

    Input `input` is one row, float32 [1, *input_shape]. Each dropout multiplies by an input of its own,
    `mask_<index of its layer>`, float32 [passes, *shape there]: 0 for what a pass drops and 1 / (1 - rate) for the
    rest. Outputs are as `freeze` has them, a line for each pass.
    """
    spec = network.spec
    if not spec.dropouts:
        return None
    shapes = dropped_shapes(spec)
    graph = Graph(spec.input_shape or (), 1)
    steps = _calibrated(folded_steps(network), temperature)
    rates = {}
    for index, step in _body(steps, target):
        if not isinstance(step, Drop):
            add_step(graph, index, step)
        elif index in shapes:
            name = f"{MASK_PREFIX}{index}"
            rates[name] = step.rate
            graph.add("Mul", f"dropout_{index}", [graph.input(name, shapes[index], _PASSES)])
    _add_answer(graph, target, steps, temperature, _PASSES)
    metadata = {
        FORMAT_KEY: MONTE_CARLO_FORMAT,
        BLOCK_KEY: str(block_passes(spec)),
        WORK_KEY: str(block_work(spec)),
        RATES_KEY: json.dumps(rates),
    }
    return graph.model("monte_carlo", {**metadata, **_told(temperature)})


def _calibrated(steps: Steps, temperature: float) -> Steps:
    """`steps` with the last dense layer's logits divided by `temperature`."""
    if temperature == 1:
        return steps
    index, dense = steps[-2]
    assert isinstance(dense, Affine), "a dense layer stands before the last activation"
    weight = (dense.weight.astype(np.float64) / temperature).astype(np.float32)
    bias = None if dense.bias is None else dense.bias / temperature
    return [*steps[:-2], (index, replace(dense, weight=weight, bias=bias)), steps[-1]]


def _body(steps: Steps, target: Target) -> Steps:
    """Everything but the last activation of a classifier."""
    return steps if isinstance(target, NumberTarget) else steps[:-1]


def _add_answer(graph: Graph, target: Target, steps: Steps, temperature: float, batch: str) -> None:
    if isinstance(target, NumberTarget):
        graph.add("Mul", "value_scale", [graph.constant("value_deviation", np.array([target.scale.deviation]))])
        graph.add("Add", "value_shift", [graph.constant("value_mean", np.array([target.scale.mean]))])
        graph.output(VALUE, 1, batch)
        return
    index, last = steps[-1]
    one_unit = last == Apply("sigmoid")
    if one_unit:
        # The columns 1 - p and p of a logit x are the softmax of (0, x): ONNX Runtime's sigmoid is 0 below -18.
        graph.add("Mul", "both_logits", [graph.constant("both_gains", np.array([0.0, 1.0]))])
    if temperature != 1:
        graph.output(LOGITS, len(target.labels), batch)
    if one_unit:
        graph.add("Softmax", "both_probabilities", attributes={"axis": -1})
    else:
        add_step(graph, index, last)
    graph.output(PROBABILITIES, len(target.labels), batch)


def _told(temperature: float) -> dict[str, str]:
    return {} if temperature == 1 else {TEMPERATURE_KEY: repr(temperature)}

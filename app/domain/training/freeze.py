"""A trained network → the bytes of an ONNX file: equal weights make equal bytes.

The file holds no id, name, time or producer. Weights are folded in float64 and rounded to float32 once.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from app.domain.data.preprocessing import NumberTarget, Target
from app.domain.inference.frozen import FORMAT, FORMAT_KEY, INPUT, PROBABILITIES, TILE_KEY, VALUE
from app.domain.network.layers import Function
from app.domain.training.build import Network
from app.domain.training.fold import Affine, Apply, Drop, Flat, Normalize, ScaleShift, Step, folded_steps

Attributes = Mapping[str, float | int]
_OPSET = 20
"""The first opset with Gelu."""
_IR_VERSION = 10
_OPERATORS: dict[Function, str] = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "gelu": "Gelu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softmax": "Softmax",
}
_ATTRIBUTES: dict[Function, Attributes] = {
    "leaky_relu": {"alpha": 0.2},
    "elu": {"alpha": 1.0},
    "softmax": {"axis": -1},
}


def freeze(network: Network, target: Target, tile: int) -> bytes:
    """The frozen network of a trained one, as an ONNX file for tiles of `tile` rows.

    Input `input` is float32 [batch, *input_shape]. Output is `probabilities` [batch, classes], of two columns (1 - p,
    p) for one sigmoid unit, or `value` [batch, 1] in the units of `target`. Each dropout of the spec stays as an
    inactive node `dropout_<index of its layer>`.
    """
    graph = _Graph()
    steps = folded_steps(network)
    for index, step in steps[:-1] if _ends_in_sigmoid(network) else steps:
        _add_step(graph, index, step)
    if isinstance(target, NumberTarget):
        graph.add("Mul", "value_scale", [graph.constant("value_deviation", np.array([target.scale.deviation]))])
        graph.add("Add", "value_shift", [graph.constant("value_mean", np.array([target.scale.mean]))])
    elif _ends_in_sigmoid(network):
        _add_two_classes(graph)
    kind = VALUE if isinstance(target, NumberTarget) else PROBABILITIES
    outputs = 1 if isinstance(target, NumberTarget) else len(target.labels)
    return _model(graph, network.spec.input_shape or (), kind, outputs, tile)


class _Graph:
    """A chain of nodes: each one takes what the one before it gave."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.last = INPUT

    def constant(self, name: str, values: NDArray[np.floating]) -> str:
        self.constants.append(numpy_helper.from_array(values.astype("<f4", order="C"), name))
        return name

    def add(
        self, operator: str, name: str, constants: Sequence[str] = (), attributes: Attributes | None = None
    ) -> None:
        node = helper.make_node(operator, [self.last, *constants], [f"{name}_out"], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self.nodes.append(node)
        self.last = f"{name}_out"


def _add_step(graph: _Graph, index: int, step: Step) -> None:
    match step:
        case Affine(weight=weight, bias=bias):
            graph.add("MatMul", f"dense_{index}", [graph.constant(f"dense_{index}_weight", weight)])
            if bias is not None:
                graph.add("Add", f"dense_{index}_shift", [graph.constant(f"dense_{index}_bias", bias)])
        case ScaleShift(scale=scale, shift=shift):
            name = f"batch_normalization_{index}"
            graph.add("Mul", f"{name}_product", [graph.constant(f"{name}_scale", scale)])
            graph.add("Add", f"{name}_sum", [graph.constant(f"{name}_shift", shift)])
        case Apply(function=function):
            _add_function(graph, index, function)
        case Drop(rate=rate):
            graph.add("Dropout", f"dropout_{index}", [graph.constant(f"dropout_{index}_rate", np.array(rate))])
        case Normalize(gain=gain, offset=offset, epsilon=epsilon):
            name = f"layer_normalization_{index}"
            constants = [graph.constant(f"{name}_gain", gain)]
            if offset is not None:
                constants.append(graph.constant(f"{name}_offset", offset))
            graph.add("LayerNormalization", name, constants, {"axis": -1, "epsilon": epsilon})
        case Flat():
            graph.add("Flatten", f"flatten_{index}", attributes={"axis": 1})


def _add_function(graph: _Graph, index: int, function: Function) -> None:
    if function == "silu":
        inputs = graph.last
        graph.add("Sigmoid", f"sigmoid_{index}")
        graph.add("Mul", f"silu_{index}", [inputs])
    else:
        graph.add(_OPERATORS[function], f"{function}_{index}", attributes=_ATTRIBUTES.get(function))


def _add_two_classes(graph: _Graph) -> None:
    """The columns 1 - p and p of a logit x, as the softmax of (0, x): ONNX Runtime's sigmoid is 0 below -18."""
    graph.add("Mul", "both_logits", [graph.constant("both_gains", np.array([0.0, 1.0]))])
    graph.add("Softmax", "both_probabilities", attributes={"axis": -1})


def _ends_in_sigmoid(network: Network) -> bool:
    return network.spec.output_activation == "sigmoid"


def _model(graph: _Graph, shape: tuple[int, ...], kind: str, outputs: int, tile: int) -> bytes:
    graph.nodes[-1].output[0] = kind
    source = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *shape])
    result = helper.make_tensor_value_info(kind, TensorProto.FLOAT, ["batch", outputs])
    built = helper.make_graph(graph.nodes, "frozen", [source], [result], graph.constants)
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    helper.set_model_props(model, {FORMAT_KEY: FORMAT, TILE_KEY: str(tile)})
    content = bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(content, full_check=True)
    return content

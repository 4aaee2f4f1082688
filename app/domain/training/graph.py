"""The ONNX graph of a trained network, put together node by node. Equal graphs make equal bytes.

The file holds no id, name, time or producer.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from app.domain.inference.frozen import INPUT
from app.domain.network.layers import Function
from app.domain.training.fold import Affine, Apply, Drop, Flat, Normalize, ScaleShift, Step

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


class Graph:
    """A chain of nodes: each one takes what the one before it gave. `batch` is the size or name of the first axis."""

    def __init__(self, shape: tuple[int, ...], batch: str | int) -> None:
        self._inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, *shape])]
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self.last = INPUT

    def constant(self, name: str, values: NDArray[np.floating]) -> str:
        self._constants.append(numpy_helper.from_array(values.astype("<f4", order="C"), name))
        return name

    def input(self, name: str, shape: tuple[int, ...], batch: str) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape]))
        return name

    def add(self, operator: str, name: str, operands: Sequence[str] = (), attributes: Attributes | None = None) -> None:
        node = helper.make_node(operator, [self.last, *operands], [f"{name}_out"], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self._nodes.append(node)
        self.last = f"{name}_out"

    def output(self, name: str, width: int, batch: str) -> None:
        """Answers what the last node gave as `name`, float32 [batch, width], before the outputs named so far."""
        self._nodes[-1].output[0] = name
        self._outputs.insert(0, helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width]))
        self.last = name

    def model(self, name: str, metadata: dict[str, str]) -> bytes:
        """The checked file."""
        built = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        model = helper.make_model(built, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        helper.set_model_props(model, metadata)
        content = bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(content, full_check=True)
        return content


def add_step(graph: Graph, index: int, step: Step) -> None:
    """Adds the nodes of a step, which came from layer `index` of the spec; a dropout as an inactive one."""
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


def _add_function(graph: Graph, index: int, function: Function) -> None:
    if function == "silu":
        inputs = graph.last
        graph.add("Sigmoid", f"sigmoid_{index}")
        graph.add("Mul", f"silu_{index}", [inputs])
    else:
        graph.add(_OPERATORS[function], f"{function}_{index}", attributes=_ATTRIBUTES.get(function))

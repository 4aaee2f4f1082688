"""A model of a table with a column of every type, made without training, and tables as strangers write them."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.domain.data.features import fit
from app.domain.data.preprocessing import Preprocessing
from app.serving.predictor import Predictor
from tests.data.tables import penguins

FITTED: Preprocessing = fit(penguins(), np.arange(10))
NAMES = tuple(feature.name for feature in FITTED.features)
CELLS: dict[str, tuple[str, ...]] = {
    "bill_length_mm": ("39.1", "-4", "+5", ".5", "5.", "1e3", "1E-400", "0" * 30 + "7", "3.4028234e38"),
    "tagged": ("true", "no", "YES", "f", "T"),
    "island": ("Torgersen", "Biscoe", "Dream", "dream", "grün", "5", "true"),
    "seen": ("2024-01-31", "2024/02/01 10:00", "1999-12-31T23:59:59.25Z", "2024-01-31T00:00+02:00"),
    "year": ("2007", "1e30", "-0", "007"),
}
"""What can be read, by column."""
NASTY = (
    *("", "NA", "N/A", "nan", "NaN", "-nan", "null", "None", "?", "-", "none", "inf", "-Infinity", "1e999", "4e38"),
    *("0x10", "1_000", "١٢", "1,5", "abc", "1e", ".", "+", "--1", "1 2", "2024-02-30", "01/02/2003", "maybe", "é"),
)
"""What stands for no value, or cannot be read in most columns."""


def model(preprocessing: Preprocessing = FITTED) -> tuple[bytes, bytes]:
    """The files of a model whose network is one dense layer: `preprocessing.json` and `frozen.onnx`."""
    target = preprocessing.target
    outputs = len(target.labels) if target.type == "classes" else 1
    inputs = math.prod(preprocessing.input_shape)
    weights = np.random.default_rng(5).normal(size=(inputs, outputs)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["input", "weights"], ["sums" if outputs > 1 else "value"])]
    if outputs > 1:
        nodes.append(helper.make_node("Softmax", ["sums"], ["probabilities"]))
    name = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {"format": "1", "tile_rows": "32"})
    onnx.checker.check_model(made)
    return preprocessing.artifact(), bytes(made.SerializeToString())


def predictor() -> Predictor:
    return Predictor(*model())

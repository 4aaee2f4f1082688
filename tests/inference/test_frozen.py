"""Reading a frozen network: what it says of itself, and what it refuses."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.domain.inference.frozen import FrozenNetwork
from app.errors import Damaged, InvalidRows


def doubler(metadata: dict[str, str], operator: str = "Add") -> bytes:
    """An ONNX file that doubles two numbers, made without torch."""
    node = helper.make_node(operator, ["input", "input"], ["value"])
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1])
    result = helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph([node], "doubler", [source], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata)
    return bytes(model.SerializeToString())


GOOD = {"format": "1", "tile_rows": "4"}


def test_it_knows_its_tile_its_shape_and_its_output() -> None:
    frozen = FrozenNetwork(doubler(GOOD))
    assert (frozen.tile_rows, frozen.input_shape, frozen.output, frozen.outputs) == (4, (1,), "value", 1)
    rows = np.arange(9, dtype=np.float32).reshape(9, 1)
    assert np.array_equal(frozen.answer(rows), rows * 2)
    assert frozen.answer(rows[:0]).shape == (0, 1)


def test_rows_need_not_be_contiguous() -> None:
    wide = np.arange(18, dtype=np.float32).reshape(9, 2)
    assert np.array_equal(FrozenNetwork(doubler(GOOD)).answer(wide[:, 1:]), wide[:, 1:] * 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not onnx",
        doubler(GOOD)[:-20],
        doubler(GOOD, operator="NoSuchOperator"),
        doubler({}),
        doubler({"format": "2", "tile_rows": "4"}),
        onnx.ModelProto().SerializeToString(),
    ],
    ids=["empty", "text", "cut short", "unknown operator", "no format", "later format", "no graph"],
)
def test_what_is_no_frozen_network_of_this_version_is_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        FrozenNetwork(content)


def test_rows_of_another_shape_are_refused_naming_both() -> None:
    with pytest.raises(InvalidRows, match=r"\[1\]; received \[2\]"):
        FrozenNetwork(doubler(GOOD)).answer(np.zeros((3, 2), np.float32))


def test_an_answer_that_is_not_finite_is_refused_by_row() -> None:
    rows = np.array([[1.0], [3e38], [2.0]], np.float32)
    with pytest.raises(InvalidRows, match="row 1") as caught:
        FrozenNetwork(doubler(GOOD)).answer(rows)
    assert caught.value.code == "answer_not_finite"

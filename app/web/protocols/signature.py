"""Which tensors a model takes and answers with: names, datatypes and shapes, the same in every protocol.

A table of numbers is one input `input`, in raw units and feature order; a table with other columns has one input a
column. Pictures are `input`, 0 to 1. What else is taken in their place stands in `app.web.protocols.tensors`.
"""

from dataclasses import dataclass

from app.domain.data.preprocessing import BooleanFeature, NumericFeature
from app.domain.inference.frozen import INPUT, PROBABILITIES, VALUE
from app.serving.predictor import Predictor
from app.web.protocols.datatypes import BOOL, BYTES, FP32

ANY = -1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor; the first dimension is the rows, and may be any."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def document(self) -> dict[str, object]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def inputs_of(predictor: Predictor) -> list[TensorSpec]:
    """What a model takes, in its features' order."""
    place = predictor.preprocessing.picture
    if place is not None:
        return [TensorSpec(INPUT, FP32, (ANY, place.height, place.width, 3))]
    if predictor.reader.numbers_a_row is not None:
        return [TensorSpec(INPUT, FP32, (ANY, predictor.reader.numbers_a_row))]
    return [TensorSpec(feature.name, _datatype(feature), (ANY, 1)) for feature in predictor.preprocessing.features]


def output_of(predictor: Predictor) -> TensorSpec:
    """What a model answers with: a column for each class, or one in the target's own units."""
    name = VALUE if predictor.labels is None else PROBABILITIES
    return TensorSpec(name, FP32, (ANY, predictor.outputs))


def _datatype(feature: object) -> str:
    if isinstance(feature, NumericFeature):
        return FP32
    return BOOL if isinstance(feature, BooleanFeature) else BYTES

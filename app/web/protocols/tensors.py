"""Tensors that were sent → a question for a predictor. What does not fit the model is refused by the input's name."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.data.cells import FLOAT32_MAX, is_missing, parse_number
from app.domain.data.preprocessing import NumericFeature, PictureInput
from app.domain.inference.frozen import INPUT
from app.errors import shown
from app.serving.predictor import Predictor, Question
from app.web.context import Limits
from app.web.protocols.datatypes import BOOL, wrong
from app.web.sizes import check_size


@dataclass(slots=True)
class Tensor:
    """`numbers` has the tensor's shape. `listed` takes its place for `BYTES`, and for `BOOL` of JSON: texts or truths,
    flat, None where one is missing.

    `nulls`: a NaN among the numbers stands for a null, and so for "missing"; elsewhere there may be none.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    numbers: NDArray[np.generic] | None = None
    listed: list[object] | None = None
    nulls: bool = False


def question_of(predictor: Predictor, tensors: list[Tensor], limits: Limits) -> Question | None:
    """A question of the inputs that were sent; None where they have no rows.

    Raises `InvalidRows` for wrong names, datatypes and shapes, and for values that are none of their column;
    `TooLarge` for more rows than are answered in a call.
    """
    place = predictor.preprocessing.picture
    if place is None and predictor.reader.numbers_a_row is None:
        return _of_columns(predictor, tensors, limits)
    if len(tensors) != 1 or tensors[0].name != INPUT:
        names = ", ".join(f"'{shown(tensor.name, 40)}'" for tensor in tensors[:20])
        raise wrong(f"the model has one input, '{INPUT}'; received {names}")
    [tensor] = tensors
    if tensor.numbers is None or tensor.datatype == BOOL:
        raise wrong(f"input '{INPUT}' takes numbers; received {tensor.datatype}")
    rows = tensor.shape[0] if tensor.shape else 0
    check_size(rows, predictor, limits)
    numbers = tensor.numbers
    if place is not None:
        return _of_pictures(predictor, place, tensor, numbers)
    width = predictor.reader.numbers_a_row
    if len(tensor.shape) != 2 or tensor.shape[1] != width:
        raise wrong(f"input '{INPUT}' has the shape [-1, {width}]; received {list(tensor.shape)}")
    return _of_numbers(predictor, tensor, numbers) if rows else None


def _of_numbers(predictor: Predictor, tensor: Tensor, numbers: NDArray[np.generic]) -> Question:
    if tensor.nulls:
        # Missing values are its to read.
        rows = numbers.tolist()
        return Question(raw=predictor.reader.of_instances([[_or_none(value) for value in row] for row in rows]))
    held = numbers.astype(np.float64)
    if not np.abs(held).max() <= FLOAT32_MAX:
        # Refuses them, by row and column.
        return predictor.of_array(held)
    return predictor.of_numbers(held)


def _of_pictures(
    predictor: Predictor, place: PictureInput, tensor: Tensor, numbers: NDArray[np.generic]
) -> Question | None:
    whole = (place.height, place.width, 3)
    shape, bytes_a_pixel = tensor.shape, tensor.datatype == "UINT8"
    if numbers.dtype.kind != "f" and not bytes_a_pixel:
        raise wrong(f"input '{INPUT}' takes UINT8 of 0 to 255 or FP32 of 0 to 1; received {tensor.datatype}")
    if tensor.nulls:
        raise wrong(f"input '{INPUT}': a picture has no missing values")
    if bytes_a_pixel:
        numbers = numbers.astype(np.uint8, copy=False)
    any_size = bytes_a_pixel and len(shape) == 4 and shape[3] == 3 and min(shape[1:3]) > 0
    if len(shape) == 2 and shape[1] == place.height * place.width * 3:
        numbers = numbers.reshape(-1, *whole)
    elif shape[1:] != whole and not any_size:
        flat = place.height * place.width * 3
        raise wrong(
            f"input '{INPUT}' has the shape [-1, {place.height}, {place.width}, 3] or [-1, {flat}]; "
            f"received {list(shape)}"
        )
    return predictor.of_array(numbers) if shape[0] else None


def _of_columns(predictor: Predictor, tensors: list[Tensor], limits: Limits) -> Question | None:
    features = predictor.preprocessing.features
    given = {tensor.name: tensor for tensor in tensors}
    for feature in features:
        if feature.name not in given:
            raise wrong(f"input '{shown(feature.name, 40)}' is missing; the model has an input for each column")
    if len(given) != len(features):
        known = {feature.name for feature in features}
        name = next(name for name in given if name not in known)
        raise wrong(f"'{shown(name, 40)}' is no input of the model; its inputs are its columns")
    rows = {tensor.shape[0] if tensor.shape else 0 for tensor in tensors}
    if len(rows) != 1:
        raise wrong(f"the inputs have {min(rows)} to {max(rows)} rows; all of them have as many")
    check_size(max(rows), predictor, limits)
    columns = {
        feature.name: _column(given[feature.name], numeric=isinstance(feature, NumericFeature)) for feature in features
    }
    return Question(raw=predictor.reader.of_columns(columns)) if max(rows) else None


def _column(tensor: Tensor, *, numeric: bool) -> list[object]:
    """A column's values as JSON has them; its reader refuses those that are none of its kind."""
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
        raise wrong(f"input '{shown(tensor.name, 40)}' has the shape [-1, 1]; received {list(tensor.shape)}")
    if tensor.listed is not None:
        return [_number(tensor, value) for value in tensor.listed] if numeric else tensor.listed
    assert tensor.numbers is not None, "a tensor has numbers, or what is listed"
    values: list[object] = tensor.numbers.ravel().tolist()
    return [_or_none(value) for value in values] if tensor.nulls else values


def _number(tensor: Tensor, value: object) -> object:
    """A number as text, as a CSV cell has it: so a binary tensor can say that one is missing."""
    if not isinstance(value, str):
        return value
    if is_missing(value):
        return None
    try:
        return parse_number(value)
    except ValueError as error:
        raise wrong(f"input '{shown(tensor.name, 40)}': {shown(value)} is {error}") from None


def _or_none(value: object) -> object:
    # A NaN is unequal to itself.
    return None if value != value else value

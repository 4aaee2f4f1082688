"""A tensor's `data` as JSON has it: values in the shape's lists, or all of them in one, row-major."""

import math

import numpy as np

from app.errors import InvalidRows, shown
from app.web.protocols.datatypes import BOOL, BYTES, ONLY_BINARY, WHOLE, wrong
from app.web.protocols.tensors import Tensor

Kinds = frozenset[type]
_NUMBER_OR_NULL: Kinds = frozenset((int, float, type(None)))
_VALUES: dict[str, tuple[str, Kinds]] = {
    BYTES: ("texts", frozenset((str, type(None)))),
    BOOL: ("true and false", frozenset((bool, type(None)))),
}


def list_tensor(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Tensor:
    """The tensor of a JSON list. A null is a missing value; numbers are taken as they are written, as float64.

    Raises `InvalidRows` for ragged lists, another number of values, and values that the datatype has not.
    """
    if datatype in ONLY_BINARY:
        raise wrong(f"input '{shown(name, 40)}': {datatype} is sent as binary data, not as JSON")
    if not isinstance(data, list):
        raise wrong(f"input '{shown(name, 40)}': data must be a list")
    values = flattened(data, shape, name)
    if len(values) != math.prod(shape):
        expected = math.prod(shape)
        raise wrong(f"input '{shown(name, 40)}': {list(shape)} has {expected} values; received {len(values)}")
    kinds = set(map(type, values))
    words, allowed = _VALUES.get(datatype, ("numbers", _NUMBER_OR_NULL))
    if not kinds <= allowed:
        raise _other(name, datatype, words, values, allowed)
    if datatype in _VALUES:
        return Tensor(name, datatype, shape, listed=values)
    try:
        numbers = np.array(values, np.float64).reshape(shape)
    except OverflowError:
        raise wrong(f"input '{shown(name, 40)}' holds a number that no float has room for") from None
    tensor = Tensor(name, datatype, shape, numbers=numbers, nulls=type(None) in kinds)
    check_range(tensor)
    return tensor


def flattened(data: list[object], shape: tuple[int, ...], name: str) -> list[object]:
    """All values in their order. Raises `InvalidRows` for lists that are neither flat nor of the shape."""
    if list not in set(map(type, data)):
        return data
    if len(data) != shape[0]:
        raise wrong(f"input '{shown(name, 40)}': {len(data)} rows were sent; the shape has {shape[0]}")
    values = data
    for size in shape[1:]:
        parts = [part for part in values if isinstance(part, list) and len(part) == size]
        if len(parts) != len(values):
            raise wrong(f"input '{shown(name, 40)}': the lists are not of the shape {list(shape)}")
        values = [value for part in parts for value in part]
    return values


def check_range(tensor: Tensor) -> None:
    """Raises `InvalidRows` for whole numbers of a JSON tensor that are not whole, or beyond their datatype."""
    if tensor.datatype not in WHOLE or tensor.numbers is None:
        return
    bounds = np.iinfo(WHOLE[tensor.datatype])
    numbers = tensor.numbers.astype(np.float64, copy=False)
    # A NaN stands for a null.
    good = np.isnan(numbers) | ((numbers == np.floor(numbers)) & (numbers >= bounds.min) & (numbers <= bounds.max))
    if not good.all():
        received = numbers.ravel()[int(np.flatnonzero(~good.ravel())[0])]
        raise wrong(f"input '{shown(tensor.name, 40)}': {received} is no {tensor.datatype}")


def _other(name: str, datatype: str, expected: str, values: list[object], allowed: Kinds) -> InvalidRows:
    other = next(value for value in values if type(value) not in allowed)
    return wrong(f"input '{shown(name, 40)}': {datatype} has {expected}; received {shown(other)}")

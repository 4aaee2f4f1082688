"""The input shape a network gets from a dataset."""

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import DatasetSchema
from app.domain.network.layers import Dense, Dropout, Flatten, GaussianNoise, Shape
from app.domain.network.spec import NetworkSpec, square_side
from app.errors import FieldError, InvalidNetwork

DEFAULT_SIDE = 64
"""Height and width, in pixels, that pictures of different sizes get when a network leaves its input shape open."""


def input_shape_for(
    spec: NetworkSpec, schema: DatasetSchema, shapes: NDArray[np.int32], encoded_width: int = 0
) -> Shape:
    """The shape of one input row, without the batch axis, for `spec` on a dataset.

    A table gives [`encoded_width`]. Pictures give what the spec asks for: [height, width, 3], or [n] for the square
    of side √(n/3). Where it asks for nothing, the size all pictures share (`shapes` is int32 [rows, 2]), or else
    `DEFAULT_SIDE`; flat when the first layer that transforms is dense and nothing flattens, and then square. Raises
    `InvalidNetwork` (`input_shape_mismatch`, `input_shape_invalid`) where the spec's own shape cannot be had.
    """
    given = spec.input_shape
    if not schema.has_pictures:
        if given not in (None, (encoded_width,)):
            raise _mismatch(given or (), f"rows of this dataset have {encoded_width} values once encoded")
        return (encoded_width,)
    if given is None:
        height, width = _common_size(shapes)
        if not _is_flat(spec):
            return (height, width, 3)
        # A flat shape keeps no sides: it always means a square.
        side = height if height == width else DEFAULT_SIDE
        return (side * side * 3,)
    if len(given) == 1:
        square_side(given[0])
    elif len(given) != 3 or given[-1] != 3:
        raise _mismatch(given, "pictures give [height, width, 3], or [n] for a flat square")
    return given


def _common_size(shapes: NDArray[np.int32]) -> tuple[int, int]:
    if len(shapes) and (shapes == shapes[0]).all():
        return int(shapes[0, 0]), int(shapes[0, 1])
    return DEFAULT_SIDE, DEFAULT_SIDE


def _is_flat(spec: NetworkSpec) -> bool:
    if any(isinstance(layer, Flatten) for layer in spec.layers):
        return False
    first = next((layer for layer in spec.layers if not isinstance(layer, Dropout | GaussianNoise)), None)
    return isinstance(first, Dense)


def _mismatch(given: Shape, offered: str) -> InvalidNetwork:
    return InvalidNetwork(
        f"the network expects rows of shape {list(given)}, but {offered}",
        code="input_shape_mismatch",
        errors=(FieldError("/input_shape", f"does not fit: {offered}; leave it out to take it", str(list(given))),),
    )

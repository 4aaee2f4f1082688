"""Shapes and parameter counts of a spec, worked out before anything is allocated."""

import math

from app.domain.network.layers import Dense, Flatten, Parameters, Shape
from app.domain.network.spec import NetworkSpec
from app.domain.strict import Frozen
from app.errors import FieldError, InvalidNetwork

MAX_PARAMETERS = 50_000_000
MAX_ELEMENTS = 4_000_000
"""The most values that one row may have anywhere in a network."""


class LayerSummary(Frozen):
    """A line of the summary. Shapes leave the batch axis out; both are None while the input shape is open."""

    index: int
    type: str
    output_shape: tuple[int, ...] | None
    parameters: int | None


class Summary(Frozen):
    """All layers' lines and the counts of the whole network; None while the input shape is open."""

    layers: tuple[LayerSummary, ...]
    parameters: Parameters | None

    @property
    def output_shape(self) -> Shape | None:
        return self.layers[-1].output_shape


def summarize(spec: NetworkSpec) -> Summary:
    """Infers every layer's output shape and parameters, counted as Keras counts them.

    Raises `InvalidNetwork` for units left open anywhere but in the output, and past the limits on parameters and
    on values a row.
    """
    shape: Shape | None = spec.input_shape
    if shape is not None:
        _check_elements(shape, "/input_shape")
    lines: list[LayerSummary] = []
    trainable = non_trainable = 0
    for index, layer in enumerate(spec.layers):
        if isinstance(layer, Dense) and layer.units is None:
            _check_open_units(spec, index)
            shape = None
        if shape is None:
            shape = (layer.units,) if isinstance(layer, Dense) and layer.units and _flat_before(spec, index) else None
            lines.append(LayerSummary(index=index, type=layer.type, output_shape=shape, parameters=None))
            continue
        counts = layer.parameters(shape)
        shape = layer.output_shape(shape)
        _check_elements(shape, f"/layers/{index}")
        trainable, non_trainable = trainable + counts.trainable, non_trainable + counts.non_trainable
        _check_parameters(trainable + non_trainable, index)
        lines.append(LayerSummary(index=index, type=layer.type, output_shape=shape, parameters=counts.total))
    known = all(line.parameters is not None for line in lines)
    total = Parameters(trainable=trainable, non_trainable=non_trainable) if known else None
    return Summary(layers=tuple(lines), parameters=total)


def check_output(spec: NetworkSpec) -> None:
    """Raises `InvalidNetwork` unless a resolved network gives one flat row of outputs for each row."""
    shape = summarize(spec).output_shape
    if shape is None or len(shape) != 1:
        raise InvalidNetwork(
            f"the network answers with shape {list(shape or ())} for each row; add a flatten layer before the output",
            code="output_not_flat",
            errors=(FieldError(f"/layers/{len(spec.layers) - 1}", "must answer with one flat row"),),
        )


def _flat_before(spec: NetworkSpec, index: int) -> bool:
    # With an open input shape, what leaves a dense layer is known only where a flatten stands before it.
    return any(isinstance(layer, Flatten) for layer in spec.layers[:index])


def _check_open_units(spec: NetworkSpec, index: int) -> None:
    if spec.layers[index] is not spec.output or index < len(spec.layers) - 2:
        raise InvalidNetwork(
            f"layer {index} (dense) has no units; only the last dense layer may leave them to the dataset",
            code="units_missing",
            errors=(FieldError(f"/layers/{index}/units", "is required here"),),
        )


def _check_elements(shape: Shape, pointer: str) -> None:
    if math.prod(shape) > MAX_ELEMENTS:
        raise InvalidNetwork(
            f"a row would have {math.prod(shape)} values at {pointer}; {MAX_ELEMENTS} are allowed",
            code="network_too_large",
            errors=(FieldError(pointer, f"at most {MAX_ELEMENTS} values a row", str(math.prod(shape))),),
        )


def _check_parameters(total: int, index: int) -> None:
    if total > MAX_PARAMETERS:
        raise InvalidNetwork(
            f"the network would have {total} parameters or more; {MAX_PARAMETERS} are allowed",
            code="network_too_large",
            errors=(FieldError(f"/layers/{index}", f"at most {MAX_PARAMETERS} parameters in all", str(total)),),
        )

"""A network as somebody asked for it, and the same with every gap filled for a dataset."""

import math
from typing import Annotated

from pydantic import Field

from app.domain.network.layers import Activation, AnyLayer, Dense, Dropout, Function, Shape
from app.domain.strict import Strict, few_enough
from app.domain.task import Task
from app.errors import FieldError, InvalidNetwork

Side = Annotated[int, Field(ge=1, le=1_000_000)]
MOST_LAYERS = 200
NetworkName = Annotated[str, Field(min_length=1, max_length=100)]


InputShape = Annotated[tuple[Side, ...], Field(strict=False, min_length=1, max_length=3), few_enough(MOST_LAYERS)]
Layers = Annotated[
    tuple[AnyLayer, ...], Field(strict=False, min_length=1, max_length=MOST_LAYERS), few_enough(MOST_LAYERS)
]


class NetworkSpec(Strict):
    """`input_shape`, the last dense layer's `units` and the last activation may be left to the dataset."""

    name: NetworkName | None = None
    input_shape: InputShape | None = None
    layers: Layers

    @property
    def output(self) -> Dense | None:
        """The last dense layer, if nothing but an activation follows it."""
        rest = self.layers[:-1] if isinstance(self.layers[-1], Activation) else self.layers
        return rest[-1] if rest and isinstance(rest[-1], Dense) else None

    @property
    def output_activation(self) -> Function | None:
        """The function that the output passes last, if one is given."""
        last = self.layers[-1]
        if isinstance(last, Activation):
            return last.function
        return last.activation if isinstance(last, Dense) else None

    @property
    def dropouts(self) -> tuple[int, ...]:
        """The indices of the layers that drop something in training."""
        return tuple(index for index, layer in enumerate(self.layers) if isinstance(layer, Dropout) and layer.rate > 0)

    def resolved(self, input_shape: Shape, task: Task, classes: int) -> "NetworkSpec":
        """This network for a dataset: input shape, output units and output activation filled in or checked.

        Raises `InvalidNetwork` where what is given does not fit (`class_count_mismatch`, `output_activation_mismatch`).
        """
        position, output = self._required_output()
        allowed = {1, 2} if task is Task.CLASSIFICATION and classes == 2 else {classes if classes else 1}
        units = output.units or max(allowed)
        if units not in allowed:
            raise _mismatch(position, task, classes, units)
        function = self._checked_activation(task, units)
        dense = output.model_copy(update={"units": units, "activation": None})
        layers = (*self.layers[:position], dense, Activation(type="activation", function=function))
        return self.model_copy(update={"input_shape": input_shape, "layers": layers})

    def _required_output(self) -> tuple[int, Dense]:
        position = len(self.layers) - (2 if isinstance(self.layers[-1], Activation) else 1)
        output = self.output
        if output is None:
            raise _wrong(
                len(self.layers) - 1,
                "type",
                "the last layer must be dense (an activation may follow it)",
                self.layers[-1].type,
                "output_missing",
            )
        if output.activation and position < len(self.layers) - 1:
            raise _wrong(
                position,
                "activation",
                "the output has two activations; give one of them",
                output.activation,
                "output_activation_doubled",
            )
        return position, output

    def _checked_activation(self, task: Task, units: int) -> Function:
        right: Function = "linear" if task is Task.REGRESSION else "sigmoid" if units == 1 else "softmax"
        given = self.output_activation
        # A linear output of a classifier holds logits, as with Keras's from_logits: the softmax is put behind it.
        if given in (None, "linear", right):
            return right
        raise _wrong(
            len(self.layers) - 1,
            "function" if isinstance(self.layers[-1], Activation) else "activation",
            f"the output of a {task} with {units} units must be {right}",
            given,
            "output_activation_mismatch",
        )


def square_side(elements: int) -> int:
    """The side of the RGB square that has `elements` values. Raises `InvalidNetwork` where there is none."""
    side = math.isqrt(elements // 3)
    if elements % 3 or side * side * 3 != elements:
        raise InvalidNetwork(
            f"input_shape [{elements}] is no square picture: {elements} is not 3 × side × side; "
            "give [height, width, 3]",
            code="input_shape_invalid",
            errors=(FieldError("/input_shape", "must be 3 × side × side, or [height, width, 3]", str(elements)),),
        )
    return side


def _mismatch(position: int, task: Task, classes: int, units: int) -> InvalidNetwork:
    expected = f"{classes} classes" if task is Task.CLASSIFICATION else "one number"
    return InvalidNetwork(
        f"the dataset's target has {expected}, but the output layer has {units} units",
        code="class_count_mismatch",
        errors=(FieldError(f"/layers/{position}/units", f"must fit the target: {expected}", str(units)),),
    )


def _wrong(position: int, field: str, message: str, received: object, code: str) -> InvalidNetwork:
    pointer = f"/layers/{position}/{field}"
    return InvalidNetwork(message, code=code, errors=(FieldError(pointer, message, str(received)),))

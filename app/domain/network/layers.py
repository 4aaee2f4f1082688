"""The layers of the spec language: each one is request body, JSON column and acting object in one.

Names and meanings are Keras's, so a rate is the fraction dropped and a momentum is the weight of the old statistic.
Shapes leave the batch axis out; the last axis holds the channels.
"""

from typing import Annotated, Literal

from pydantic import Field

from app.domain.strict import Strict

Shape = tuple[int, ...]
Function = Literal["relu", "leaky_relu", "elu", "gelu", "selu", "silu", "sigmoid", "tanh", "softmax", "linear"]
Initializer = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]


class Parameters(Strict):
    """How many numbers a layer holds: `trainable` by the optimiser, `non_trainable` (running statistics) not."""

    trainable: int = 0
    non_trainable: int = 0

    @property
    def total(self) -> int:
        return self.trainable + self.non_trainable


class Layer(Strict):
    """What layers share: by default a layer keeps the shape and holds no parameters."""

    def output_shape(self, inputs: Shape) -> Shape:
        """The shape that comes out when `inputs` go in, both without the batch axis."""
        return inputs

    def parameters(self, inputs: Shape) -> Parameters:
        """How many numbers the layer holds for `inputs`, counted as Keras counts them."""
        return Parameters()


class Dense(Layer):
    """Fully connected over the last axis. `max_norm` bounds the norm of each unit's incoming weights."""

    type: Literal["dense"]
    units: Annotated[int, Field(ge=1, le=65_536)] | None = None
    use_bias: bool = True
    activation: Function | None = None
    max_norm: Annotated[float, Field(gt=0, le=1e6)] | None = None
    initializer: Initializer = "glorot_uniform"

    def output_shape(self, inputs: Shape) -> Shape:
        return (*inputs[:-1], self.units or 0)

    def parameters(self, inputs: Shape) -> Parameters:
        units = self.units or 0
        return Parameters(trainable=inputs[-1] * units + (units if self.use_bias else 0))


class Activation(Layer):
    type: Literal["activation"]
    function: Function


class Dropout(Layer):
    """Inverted dropout: in training a fraction `rate` is zeroed and the rest scaled by 1 / (1 - rate)."""

    type: Literal["dropout"]
    rate: Annotated[float, Field(ge=0, lt=1)]


class GaussianNoise(Layer):
    """Adds noise of standard deviation `stddev` in training; off in eval mode."""

    type: Literal["gaussian_noise"]
    stddev: Annotated[float, Field(ge=0, le=1e3)]


class BatchNormalization(Layer):
    """Batch statistics in training, running statistics in eval mode (Ioffe & Szegedy 2015)."""

    type: Literal["batch_normalization"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epsilon: Annotated[float, Field(ge=1e-12, le=1)] = 1e-5
    center: bool = True
    scale: bool = True

    def parameters(self, inputs: Shape) -> Parameters:
        channels = inputs[-1]
        return Parameters(trainable=channels * (self.center + self.scale), non_trainable=2 * channels)


class LayerNormalization(Layer):
    """Normalises each row over its last axis (Ba et al. 2016); the same in training and in eval mode."""

    type: Literal["layer_normalization"]
    epsilon: Annotated[float, Field(ge=1e-12, le=1)] = 1e-3
    center: bool = True
    scale: bool = True

    def parameters(self, inputs: Shape) -> Parameters:
        return Parameters(trainable=inputs[-1] * (self.center + self.scale))


class Flatten(Layer):
    """Row-major, the last axis fastest."""

    type: Literal["flatten"]

    def output_shape(self, inputs: Shape) -> Shape:
        elements = 1
        for side in inputs:
            elements *= side
        return (elements,)


AnyLayer = Annotated[
    Dense | Activation | Dropout | GaussianNoise | BatchNormalization | LayerNormalization | Flatten,
    Field(discriminator="type"),
]

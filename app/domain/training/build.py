"""A resolved spec becomes a torch network."""

import torch
from torch import Tensor, nn

from app.domain.network.layers import (
    Activation,
    AnyLayer,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LayerNormalization,
)
from app.domain.network.shapes import check_output, summarize
from app.domain.network.spec import NetworkSpec
from app.domain.training.initializers import initial_weight
from app.domain.training.masks import Position, initial_generator
from app.domain.training.modules import (
    ActivationModule,
    BatchNormModule,
    DenseModule,
    DropoutModule,
    FlattenModule,
    GaussianNoiseModule,
    LayerNormModule,
)
from app.errors import InvalidNetwork


class Network(nn.Module):
    """One module for each layer of `spec`, in its order; names are `layers.<index>.weight` and so on.

    `position` is where the run stands: dropout and noise draw for it, and nothing else is random.
    """

    def __init__(self, spec: NetworkSpec, layers: list[nn.Module], position: Position) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleList(layers)
        self.position = position
        self._body = layers[:-1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [n, outputs], for float32 `inputs` [n, *input_shape]: everything but the last activation."""
        for layer in self._body:
            inputs = layer(inputs)
        return inputs

    def answer(self, inputs: Tensor) -> Tensor:
        """What a user is told: probabilities [n, classes], [n, 1] for one sigmoid unit, or numbers [n, 1]."""
        answer: Tensor = self.layers[-1](self(inputs))
        return answer


def build(spec: NetworkSpec, seed: int) -> Network:
    """Builds and initialises a network; two builds with one seed are bit-equal.

    Raises `InvalidNetwork` unless `spec` is resolved (see `NetworkSpec.resolved`).
    """
    if spec.input_shape is None or spec.output is None or not isinstance(spec.layers[-1], Activation):
        raise InvalidNetwork("the network is not resolved: its input shape and output must be known before it is built")
    check_output(spec)
    position = Position(seed)
    shape = spec.input_shape
    layers: list[nn.Module] = []
    for index, (layer, line) in enumerate(zip(spec.layers, summarize(spec).layers, strict=True)):
        layers.append(_module(layer, index, shape[-1], position))
        assert line.output_shape is not None
        shape = line.output_shape
    return Network(spec, layers, position)


def _module(layer: AnyLayer, index: int, channels: int, position: Position) -> nn.Module:
    match layer:
        case Dense():
            return _dense(layer, channels, position.seed, index)
        case Activation():
            return ActivationModule(layer.function)
        case Dropout():
            return DropoutModule(layer.rate, index, position)
        case GaussianNoise():
            return GaussianNoiseModule(layer.stddev, index, position)
        case BatchNormalization(momentum=momentum, epsilon=epsilon, center=center, scale=scale):
            # Keras's momentum is the weight of the old statistic, torch's that of the new batch.
            return BatchNormModule(channels, 1 - momentum, epsilon, center=center, scale=scale)
        case LayerNormalization(epsilon=epsilon, center=center, scale=scale):
            return LayerNormModule(channels, epsilon, center=center, scale=scale)
        case Flatten():
            return FlattenModule()


def _dense(layer: Dense, inputs: int, seed: int, index: int) -> DenseModule:
    units = layer.units or 0
    weight = initial_weight(layer.initializer, inputs, units, initial_generator(seed, index))
    bias = torch.zeros(units) if layer.use_bias else None
    return DenseModule(weight, bias, layer.activation or "linear", layer.max_norm)

"""The layers of a spec as torch modules. Channels come last, meanings are Keras's."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.domain.network.layers import Function
from app.domain.training.masks import Position, dropout_mask, gaussian_noise


def apply(function: Function, inputs: Tensor) -> Tensor:
    """Keras's activation of that name; softmax over the last axis.

    The slope of leaky_relu is 0.2 as in `keras.activations.leaky_relu`, gelu is exact (erf) and elu's alpha is 1.
    """
    match function:
        case "linear":
            return inputs
        case "relu":
            return functional.relu(inputs)
        case "leaky_relu":
            return functional.leaky_relu(inputs, 0.2)
        case "elu":
            return functional.elu(inputs)
        case "gelu":
            return functional.gelu(inputs)
        case "selu":
            return functional.selu(inputs)
        case "silu":
            return functional.silu(inputs)
        case "sigmoid":
            return torch.sigmoid(inputs)
        case "tanh":
            return torch.tanh(inputs)
        case "softmax":
            return torch.softmax(inputs, -1)


class DenseModule(nn.Module):
    """`weight` is [units, inputs], as torch has it (Keras's kernel transposed); `bias` is [units] or None."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Function, max_norm: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.activation: Function = activation
        self.max_norm = max_norm

    def forward(self, inputs: Tensor) -> Tensor:
        return apply(self.activation, functional.linear(inputs, self.weight, self.bias))


class ActivationModule(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function: Function = function

    def forward(self, inputs: Tensor) -> Tensor:
        return apply(self.function, inputs)


class DropoutModule(nn.Module):
    """Inverted dropout (Srivastava et al. 2014, section 10), its mask drawn for the loop's `position`."""

    def __init__(self, rate: float, layer: int, position: Position) -> None:
        super().__init__()
        self.rate = rate
        self.layer = layer
        self.position = position

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return inputs
        mask = dropout_mask(self.position, self.layer, inputs.shape, self.rate).to(inputs.device)
        # Where nothing flows back, the mask's own memory holds the product: on a wide input, memory is what costs.
        return inputs * mask if inputs.requires_grad else mask.mul_(inputs)


class GaussianNoiseModule(nn.Module):
    """Adds noise in training, drawn for the loop's `position`."""

    def __init__(self, deviation: float, layer: int, position: Position) -> None:
        super().__init__()
        self.deviation = deviation
        self.layer = layer
        self.position = position

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.deviation == 0:
            return inputs
        return inputs + gaussian_noise(self.position, self.layer, inputs.shape, self.deviation).to(inputs.device)


class BatchNormModule(nn.Module):
    """Batch normalization over all axes but the last (Ioffe & Szegedy 2015, Algorithms 1 and 2).

    `momentum` is torch's: the weight of the new batch. The running variance is the unbiased one.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, momentum: float, epsilon: float, *, center: bool, scale: bool) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if center else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: Tensor) -> Tensor:
        rows = inputs if inputs.dim() == 2 else inputs.reshape(-1, inputs.shape[-1])
        if self.training:
            self.num_batches_tracked.add_(1)
        normalized = functional.batch_norm(
            rows,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        return normalized if inputs.dim() == 2 else normalized.reshape(inputs.shape)


class LayerNormModule(nn.Module):
    """Normalises each row over its last axis (Ba et al. 2016, Eq. 4), with the biased variance."""

    def __init__(self, channels: int, epsilon: float, *, center: bool, scale: bool) -> None:
        super().__init__()
        self.eps = epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if center else None

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.layer_norm(inputs, inputs.shape[-1:], self.weight, self.bias, self.eps)


class FlattenModule(nn.Module):
    """[n, ...] becomes [n, elements], row-major."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.reshape(inputs.shape[0], -1)

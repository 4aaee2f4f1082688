"""A trained network as the steps it takes in eval mode, batch norms folded away where they can be."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.domain.network.layers import Function
from app.domain.network.shapes import summarize
from app.domain.training.build import Network
from app.domain.training.modules import (
    ActivationModule,
    BatchNormModule,
    DenseModule,
    DropoutModule,
    FlattenModule,
    LayerNormModule,
)

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Affine:
    """x W + b over the last axis; `weight` is [inputs, units], `bias` [units] or None."""

    weight: NDArray[np.float32]
    bias: Doubles | None


@dataclass(frozen=True, slots=True)
class ScaleShift:
    """x · scale + shift, each [channels]: a batch norm with no dense layer right before it."""

    scale: Doubles
    shift: Doubles


@dataclass(frozen=True, slots=True)
class Apply:
    function: Function


@dataclass(frozen=True, slots=True)
class Drop:
    """An inactive dropout: it keeps its place and rate, so that it can be switched on for Monte Carlo answers."""

    rate: float


@dataclass(frozen=True, slots=True)
class Normalize:
    """Layer normalization over the last axis; `gain` and `offset` are [channels]."""

    gain: Doubles
    offset: Doubles | None
    epsilon: float


@dataclass(frozen=True, slots=True)
class Flat:
    pass


Step = Affine | ScaleShift | Apply | Drop | Normalize | Flat


def folded_steps(network: Network) -> list[tuple[int, Step]]:
    """The steps of eval mode, each with the index of its layer in the spec.

    Gaussian noise is nothing in eval mode, and is left out. Folding is float64; weights, which may be large, are
    rounded to float32 at once.
    """
    steps: list[tuple[int, Step]] = []
    for index, (module, line) in enumerate(zip(network.layers, summarize(network.spec).layers, strict=True)):
        assert line.output_shape is not None
        if isinstance(module, BatchNormModule):
            _add_batch_norm(steps, index, module)
        else:
            steps += [(index, step) for step in _steps(module, line.output_shape[-1])]
    return steps


def _add_batch_norm(steps: list[tuple[int, Step]], index: int, module: BatchNormModule) -> None:
    """γ (x - μ) / √(σ² + ε) + β (Ioffe & Szegedy 2015, Algorithm 2, line 11) as one product and one sum."""
    scale = 1.0 / np.sqrt(_doubles(module.running_var) + module.eps)
    if module.weight is not None:
        scale = scale * _doubles(module.weight)
    shift = -_doubles(module.running_mean) * scale
    if module.bias is not None:
        shift = shift + _doubles(module.bias)
    match steps[-1] if steps else None:
        case (before, Affine(weight=weight, bias=bias)):
            offset = shift if bias is None else bias * scale + shift
            steps[-1] = (before, Affine((weight * scale).astype(np.float32), offset))
        case _:
            steps.append((index, ScaleShift(scale, shift)))


def _steps(module: nn.Module, channels: int) -> list[Step]:
    match module:
        case DenseModule():
            bias = None if module.bias is None else _doubles(module.bias)
            return [Affine(module.weight.detach().cpu().numpy().T, bias), *_applied(module.activation)]
        case ActivationModule():
            return _applied(module.function)
        case DropoutModule():
            return [Drop(module.rate)]
        case LayerNormModule():
            gain = np.ones(channels) if module.weight is None else _doubles(module.weight)
            return [Normalize(gain, None if module.bias is None else _doubles(module.bias), module.eps)]
        case FlattenModule():
            return [Flat()]
        case _:
            return []


def _applied(function: Function) -> list[Step]:
    return [] if function == "linear" else [Apply(function)]


def _doubles(tensor: Tensor) -> Doubles:
    return tensor.detach().cpu().to(torch.float64).numpy()

"""The forward pass of eval mode written out in float64, straight from the spec and the state of a torch network."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.domain.network.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
)
from app.domain.training.build import Network

Doubles = NDArray[np.float64]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def activated(function: str, x: Doubles) -> Doubles:
    """Keras's activations, by their formulas."""
    sigmoid = 1 / (1 + np.exp(-x))
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    table: dict[str, Doubles] = {
        "linear": x,
        "relu": np.maximum(x, 0),
        "leaky_relu": np.where(x > 0, x, 0.2 * x),
        "elu": np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "selu": 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
        "gelu": x * (1 + _erf(x / math.sqrt(2))) / 2,
        "silu": x * sigmoid,
        "sigmoid": sigmoid,
        "tanh": np.tanh(x),
        "softmax": powers / powers.sum(axis=-1, keepdims=True),
    }
    return table[function]


def answer_by_hand(
    network: Network,
    rows: NDArray[np.float32],
    masks: Mapping[int, NDArray[np.float32]] | None = None,
    temperature: float = 1,
) -> Doubles:
    """What `network` answers to `rows` [n, *input_shape], but for the units of a regression's target.

    `masks`, by the index of their layer, are what dropouts multiply by; the last activation's input is divided by
    `temperature`.
    """
    state = {name: tensor.numpy().astype(np.float64) for name, tensor in network.state_dict().items()}
    x = rows.astype(np.float64)
    for index, layer in enumerate(network.spec.layers):
        at = f"layers.{index}."
        gain, offset = state.get(f"{at}weight", np.float64(1)), state.get(f"{at}bias", np.float64(0))
        match layer:
            case Dense(activation=function):
                x = activated(function or "linear", x @ gain.T + offset)
            case Activation(function=function):
                x = activated(function, x / temperature if index == len(network.spec.layers) - 1 else x)
            case Dropout() if masks and index in masks:
                x = x * masks[index]
            case BatchNormalization(epsilon=epsilon):
                x = (x - state[f"{at}running_mean"]) / np.sqrt(state[f"{at}running_var"] + epsilon) * gain + offset
            case LayerNormalization(epsilon=epsilon):
                centred = x - x.mean(axis=-1, keepdims=True)
                x = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon) * gain + offset
            case Flatten():
                x = x.reshape(len(x), -1)
    return x

"""Keras's initialisers of dense weights."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.domain.network.layers import Initializer

# The standard deviation of a standard normal that is cut at ±2.
_CUT_NORMAL_DEVIATION = 0.87962566103423978


def initial_weight(name: Initializer, inputs: int, units: int, generator: np.random.Generator) -> Tensor:
    """Float32 [units, inputs], with variance scale / fan as Keras's `VarianceScaling` has it.

    Glorot & Bengio 2010, Eq. 16 (scale 1, mean of both fans); He et al. 2015, Eq. 10 (2, inputs); LeCun et al. 1998,
    section 4.6 (1, inputs). A normal one is cut at two standard deviations.
    """
    family, shape = name.split("_")
    variance = {"glorot": 2 / (inputs + units), "he": 2 / inputs, "lecun": 1 / inputs}[family]
    if shape == "uniform":
        limit = math.sqrt(3 * variance)
        drawn = generator.random((units, inputs), dtype=np.float32) * np.float32(2 * limit) - np.float32(limit)
    else:
        drawn = _cut_normal(units * inputs, generator).reshape(units, inputs)
        drawn *= np.float32(math.sqrt(variance) / _CUT_NORMAL_DEVIATION)
    return torch.from_numpy(drawn)


def _cut_normal(elements: int, generator: np.random.Generator) -> NDArray[np.float32]:
    drawn = generator.standard_normal(elements, dtype=np.float32)
    while (outside := np.flatnonzero(np.abs(drawn) > 2)).size:
        drawn[outside] = generator.standard_normal(outside.size, dtype=np.float32)
    return drawn

"""Randomness as a function of position: what is drawn depends on where it is drawn, never on what was drawn before.

Each purpose has streams of its own. A mask is drawn for the whole batch, so one process or many draw the same one, and
an exact resume needs no random state. SFC64 words were measured at a fifteenth of the time of torch's `bernoulli_`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_INITIAL, _ORDER, _MASK = range(3)


@dataclass(slots=True)
class Position:
    """Where a run stands. The loop moves it; the layers that draw read it. `step` counts from 0, `epoch` from 1."""

    seed: int
    epoch: int = 1
    step: int = 0


def initial_generator(seed: int, layer: int) -> np.random.Generator:
    """What the weights of layer `layer` are drawn from."""
    return np.random.Generator(_stream(seed, _INITIAL, layer))


def row_order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order of the training rows in `epoch`: int64 [rows], a permutation."""
    return torch.from_numpy(np.random.Generator(_stream(seed, _ORDER, epoch)).permutation(rows))


def dropout_mask(position: Position, layer: int, shape: torch.Size, rate: float) -> Tensor:
    """Float32 of `shape`: 0 with probability `rate` (to within 2^-33), else 1 / (1 - rate).

    A value is dropped where 32 random bits, read as a number, are below rate × 2^32. The first eight of them decide all
    but one value in 256, so only there are the other 24 drawn.
    """
    elements = shape.numel()
    first, rest = divmod(min(round(rate * 2**32), 2**32 - 1), 2**24)
    stream = _stream(position.seed, _MASK, position.epoch, position.step, layer)
    drawn = stream.random_raw((elements + 7) // 8).view(np.uint8)[:elements]
    kept = drawn > first
    ties = np.flatnonzero(drawn == first)
    kept[ties] = stream.random_raw(ties.size) >> np.uint64(40) >= rest
    return torch.from_numpy(np.multiply(kept, np.float32(1 / (1 - rate)), dtype=np.float32)).view(shape)


def gaussian_noise(position: Position, layer: int, shape: torch.Size, deviation: float) -> Tensor:
    """Float32 of `shape`, normal with mean 0 and standard deviation `deviation`."""
    stream = _stream(position.seed, _MASK, position.epoch, position.step, layer)
    noise = np.random.Generator(stream).standard_normal(shape.numel(), dtype=np.float32)
    return torch.from_numpy(noise * np.float32(deviation)).view(shape)


def _stream(*words: int) -> np.random.SFC64:
    return np.random.SFC64(words)

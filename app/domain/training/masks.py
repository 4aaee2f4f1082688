"""Randomness as a function of position: what is drawn depends on where it is drawn, never on what was drawn before.

The generator is Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a function of a key and a
counter. The key is the seed and the purpose; the counter starts at the position. So an exact resume needs no random
state, and a mask, drawn for the whole batch, is the same in one process or many.
"""

from dataclasses import dataclass, field

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
    _philox: np.random.Philox = field(default_factory=lambda: np.random.Philox(key=0), repr=False)

    def stream(self, layer: int) -> np.random.Philox:
        """The generator of layer `layer` here, good until the next call: turning one is cheaper than making one."""
        _turn(self._philox, self.seed, _MASK, layer, self.step, self.epoch)
        return self._philox


def initial_generator(seed: int, layer: int) -> np.random.Generator:
    """What the weights of layer `layer` are drawn from."""
    return _generator(seed, _INITIAL, layer)


def row_order(seed: int, epoch: int, rows: int) -> Tensor:
    """The order of the training rows in `epoch`: int64 [rows], a permutation."""
    return torch.from_numpy(_generator(seed, _ORDER, epoch).permutation(rows))


def dropout_mask(position: Position, layer: int, shape: torch.Size, rate: float) -> Tensor:
    """Float32 of `shape`: 0 with probability `rate` (to within 2^-33), else 1 / (1 - rate).

    A value is dropped where 32 random bits, read as a number, are below rate × 2^32. The first eight of them decide all
    but one value in 256, so only there are the other 24 drawn.
    """
    elements = shape.numel()
    first, rest = divmod(min(round(rate * 2**32), 2**32 - 1), 2**24)
    stream = position.stream(layer)
    drawn = stream.random_raw((elements + 7) // 8).view(np.uint8)[:elements]
    kept = drawn > first
    ties = np.flatnonzero(drawn == first)
    kept[ties] = stream.random_raw(ties.size) >> np.uint64(40) >= rest
    return torch.from_numpy(np.multiply(kept, np.float32(1 / (1 - rate)), dtype=np.float32).reshape(shape))


def gaussian_noise(position: Position, layer: int, shape: torch.Size, deviation: float) -> Tensor:
    """Float32 of `shape`, normal with mean 0 and standard deviation `deviation`."""
    drawn = np.random.Generator(position.stream(layer)).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(drawn * np.float32(deviation))


def _generator(seed: int, purpose: int, *place: int) -> np.random.Generator:
    philox = np.random.Philox(key=0)
    _turn(philox, seed, purpose, *place)
    return np.random.Generator(philox)


def _turn(philox: np.random.Philox, seed: int, purpose: int, *place: int) -> None:
    """Sets the counter to `place` (three numbers at most; the lowest word counts the blocks drawn there)."""
    state = philox.state
    state["state"]["key"][:] = seed, purpose
    state["state"]["counter"][:] = 0, *place, *(0,) * (3 - len(place))
    # Words left over from the last block are dropped with it.
    state["buffer_pos"] = 4
    state["has_uint32"] = 0
    philox.state = state

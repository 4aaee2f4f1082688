"""The masks of Monte Carlo dropout: a function of seed, pass, layer and unit, and of nothing else.

Random bits come from counting, not from a state (Salmon et al. 2011): a word of 64 bits is the mixing function of
SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") of two numbers added up, one of the
pass and one of the place. So every row meets the same masks, and a pass has the same ones however many are asked for.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float32]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORDS = 1 << 13
"""Drawn at a time: no more than lie in the processor's own memory."""
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


@dataclass(frozen=True, slots=True)
class Place:
    """A dropout: the index of its layer in the spec, the shape of what it drops for one row, and its rate."""

    layer: int
    shape: tuple[int, ...]
    rate: float

    @property
    def units(self) -> int:
        return math.prod(self.shape)


class DropoutMasks:
    """Draws the masks of a network's dropouts, of all of them at once."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places
        self.units = sum(place.units for place in places)
        self._numbers = np.concatenate([_place_numbers(place) for place in places])
        self._bounds = np.concatenate([_bounds(place) for place in places])

    def draw(self, seed: int, first: int, passes: int) -> tuple[Floats, ...]:
        """For passes `first` and on, each dropout's mask: float32 [passes, *shape], 0 or 1 / (1 - rate).

        A unit is dropped where 32 random bits, read as a number, are below rate × 2^32.
        """
        kept = self._kept(_pass_numbers(seed, first, passes))
        masks, start = [], 0
        for place in self._places:
            scale = np.float32(1 / (1 - place.rate))
            mask = np.multiply(kept[:, start : start + place.units], scale, dtype=np.float32)
            masks.append(mask.reshape(passes, *place.shape))
            start += place.units + place.units % 2
        return tuple(masks)

    def _kept(self, passes: Words) -> NDArray[np.bool_]:
        """Which units stay in each of `passes`: [passes, units], every dropout's with room for an even number."""
        kept = np.empty((len(passes), len(self._bounds)), np.bool_)
        step = max(1, _WORDS // len(self._numbers))
        for start in range(0, len(passes), step):
            words: Words = np.add.outer(passes[start : start + step], self._numbers)
            bits = mixed(words).astype("<u8", copy=False).view("<u4")
            np.greater_equal(bits, self._bounds, out=kept[start : start + step])
        return kept


def mixed(words: Words) -> Words:
    """One step of SplitMix64 from each of `words`, which are overwritten: what its generator answers next."""
    words += _GOLDEN
    shifted = words >> _SHIFTS[0]
    words ^= shifted
    words *= _FIRST
    words ^= np.right_shift(words, _SHIFTS[1], out=shifted)
    words *= _SECOND
    words ^= np.right_shift(words, _SHIFTS[2], out=shifted)
    return words


def _pass_numbers(seed: int, first: int, passes: int) -> Words:
    numbers = np.arange(first, first + passes, dtype=np.uint64)
    numbers += mixed(np.array([seed], np.uint64))
    return mixed(numbers)


def _place_numbers(place: Place) -> Words:
    """A number for every two units of a layer: each takes half of a word."""
    pairs = (place.units + 1) // 2
    return mixed(np.arange(pairs, dtype=np.uint64) + np.uint64(place.layer << 32))


def _bounds(place: Place) -> NDArray[np.uint32]:
    """What the bits of each unit must reach, for whole words."""
    return np.full(place.units + place.units % 2, min(round(place.rate * 2**32), 2**32 - 1), np.uint32)

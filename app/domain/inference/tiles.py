"""Tiles of one fixed size: how a row's answer is kept from depending on its neighbours.

A matrix product of m rows picks its kernel, and with it the order of its sums, by m. With m fixed and empty places
filled with zeros, a row is always summed in the same order, so its bits are the same alone, batched or shuffled.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.domain.network.layers import Dense
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec

Floats = NDArray[np.float32]
NARROW_MULTIPLICATIONS = 20_000
"""Multiplications a row up to which a single row in a tile of 32 costs at most twice a row without one.

Measured by benchmarks/executor.py: 30–64–64–2 (6,144 multiplications) takes 19 µs in a tile of 32 and 12 µs alone;
12,288–16–32–64–3 (199,360) takes 211 µs in a tile of 32, 55 µs in a tile of 4 and 28 µs alone.
"""
TILE_ROWS = 32
WIDE_TILE_ROWS = 4
"""Four or a multiple of it: elementwise functions work on four values at once and round the rest otherwise, so with
a tile of 2, and odd widths, rows of elu and selu were seen to differ with their place."""


def tile_rows(spec: NetworkSpec) -> int:
    """The tile for a resolved network: `TILE_ROWS` for a narrow one, `WIDE_TILE_ROWS` for a wide one."""
    return TILE_ROWS if multiplications(spec) <= NARROW_MULTIPLICATIONS else WIDE_TILE_ROWS


def multiplications(spec: NetworkSpec, first: int = 0) -> int:
    """Multiplications that a resolved network's dense layers take for one row, from layer `first` on."""
    shape, count = spec.input_shape or (), 0
    for layer, line in zip(spec.layers, summarize(spec).layers, strict=True):
        if isinstance(layer, Dense) and line.index >= first:
            count += math.prod(shape) * (layer.units or 0)
        shape = line.output_shape or ()
    return count


def answer_in_tiles(execute: Callable[[Floats], Floats], features: Floats, tile: int, outputs: int) -> Floats:
    """Float32 [n, outputs] for `features` [n, ...]: `execute` sees `tile` rows a call, the last ones zero-padded."""
    rows = len(features)
    answers = np.empty((rows, outputs), dtype=np.float32)
    whole = rows - rows % tile
    for start in range(0, whole, tile):
        answers[start : start + tile] = execute(features[start : start + tile])
    if whole < rows:
        padded = np.zeros((tile, *features.shape[1:]), dtype=np.float32)
        padded[: rows - whole] = features[whole:]
        answers[whole:] = execute(padded)[: rows - whole]
    return answers

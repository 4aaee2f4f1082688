"""Blocks of one fixed size for Monte Carlo passes, as tiles are for rows: how many, and what they cost."""

import math

from app.domain.inference.tiles import multiplications
from app.domain.network.layers import Shape
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec

BLOCK_PASSES = 50
"""As many as Monte Carlo averaging needs (Srivastava et al. 2014, section 7.5), so what most will ask for."""
MOST_VALUES = 1 << 20
"""Values that a block may hold at once; a network with more for one row has fewer passes in a block."""
_PASS_WORK = 1_000
"""What a pass costs besides, in multiplications."""


def dropped_shapes(spec: NetworkSpec) -> dict[int, Shape]:
    """What each dropout of a resolved network drops from: the shape of one row there, by the index of the layer."""
    lines = summarize(spec).layers
    return {index: lines[index].output_shape or () for index in spec.dropouts}


def block_passes(spec: NetworkSpec) -> int:
    """The passes of a block, for a resolved network with dropout."""
    masks = sum(map(math.prod, dropped_shapes(spec).values()))
    widest = max(math.prod(line.output_shape or ()) for line in summarize(spec).layers[spec.dropouts[0] :])
    return max(1, min(BLOCK_PASSES, MOST_VALUES // (masks + widest)))


def block_work(spec: NetworkSpec) -> int:
    """The multiplications of a block for one row: once up to the first dropout, and from there on for each pass."""
    each = multiplications(spec, spec.dropouts[0])
    masks = sum(map(math.prod, dropped_shapes(spec).values()))
    return multiplications(spec) - each + block_passes(spec) * (each + masks + _PASS_WORK)

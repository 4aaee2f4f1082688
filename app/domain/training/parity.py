"""The proof that a frozen network answers as the trained one does in PyTorch's eval mode, which is the reference."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.domain.data.preprocessing import NumberTarget, Target
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import multiplications, tile_rows
from app.domain.training.build import Network
from app.domain.training.freeze import freeze
from app.errors import Diverged, Unfaithful

MOST_ROWS = 2_048
LARGEST_DIFFERENCE = 1e-3
_LEAST_ROWS = 16
_MULTIPLICATIONS = 2 * 10**9
"""About a second's work: wide networks are proved on fewer rows."""
_CHUNK_ROWS = 256


@dataclass(frozen=True, slots=True)
class Parity:
    """`largest_difference` is between probabilities, or between values in the target's own units."""

    rows: int
    largest_difference: float
    bit_equal_alone_batched_shuffled: bool


def freeze_and_prove(
    network: Network, target: Target, features: NDArray[np.float32], tile: int | None = None
) -> tuple[bytes, FrozenNetwork, Parity]:
    """Freezes `network` (the ONNX file, and what it answers with) and proves it on rows of `features`.

    `features` is float32 [n, *input_shape], n at least 1: validation rows, or training rows where there are none.
    `tile` is by default what `tile_rows` says. Where a row's bits are seen to depend on its neighbours, the tile
    becomes one row. Raises `Diverged` where the network's own answers are not finite. Leaves `network` in eval mode.
    """
    content = freeze(network, target, tile or tile_rows(network.spec))
    frozen = FrozenNetwork(content)
    parity = prove(network, frozen, target, features)
    if not parity.bit_equal_alone_batched_shuffled and frozen.tile_rows > 1:
        content = freeze(network, target, tile=1)
        frozen = FrozenNetwork(content)
        parity = prove(network, frozen, target, features)
    return content, frozen, parity


def prove(network: Network, frozen: FrozenNetwork, target: Target, features: NDArray[np.float32]) -> Parity:
    """Compares the two on at most `MOST_ROWS` rows of `features`, spread evenly over them."""
    rows = features[_chosen(len(features), multiplications(network.spec))]
    expected = reference_answers(network, target, rows)
    if not np.isfinite(expected).all():
        raise Diverged("the trained network's answers are not finite numbers")
    answers = frozen.answer(rows)
    return Parity(
        rows=len(rows),
        largest_difference=float(np.abs(answers - expected).max()),
        bit_equal_alone_batched_shuffled=_bit_equal(frozen, rows, answers),
    )


def require_faithful(parity: Parity, target: Target) -> None:
    """Raises `Unfaithful` where the frozen network differs from the trained one by more than `LARGEST_DIFFERENCE`.

    That is of a probability, or of the target's standard deviation; answers in the target's own units are float32,
    so their size adds its own rounding.
    """
    allowed = LARGEST_DIFFERENCE
    if isinstance(target, NumberTarget):
        allowed = LARGEST_DIFFERENCE * target.scale.deviation + 1e-6 * abs(target.scale.mean)
    if not parity.largest_difference <= allowed:
        raise Unfaithful(
            f"the frozen network's answers differ from the trained one's by {parity.largest_difference:.3g}; at most "
            f"{allowed:.3g} is allowed, so no model is made. Very large weights do this: try a smaller learning rate"
        )


def reference_answers(network: Network, target: Target, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the trained network answers in eval mode, as the frozen one words it: float64 [n, outputs]."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [network.answer(part.to(device)).cpu() for part in torch.split(torch.from_numpy(features), _CHUNK_ROWS)]
    answers = torch.cat(parts).to(torch.float64).numpy()
    if isinstance(target, NumberTarget):
        return answers * target.scale.deviation + target.scale.mean
    return np.concatenate([1 - answers, answers], axis=1) if answers.shape[1] == 1 else answers


def _chosen(rows: int, work: int) -> NDArray[np.int64]:
    most = min(rows, MOST_ROWS, max(_LEAST_ROWS, _MULTIPLICATIONS // max(1, work)))
    return np.linspace(0, rows - 1, most).astype(np.int64)


def _bit_equal(frozen: FrozenNetwork, rows: NDArray[np.float32], together: NDArray[np.float32]) -> bool:
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(rows))
    shuffled = frozen.answer(rows[order])
    alone = np.concatenate([frozen.answer(rows[row : row + 1]) for row in range(len(rows))])
    return alone.tobytes() == together.tobytes() and shuffled.tobytes() == together[order].tobytes()

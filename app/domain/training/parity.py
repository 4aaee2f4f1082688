"""The proof that a frozen network answers as the trained one does in PyTorch's eval mode, which is the reference."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.domain.data.preprocessing import NumberTarget, Target
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.monte_carlo import MonteCarloNetwork
from app.domain.inference.passes import dropped_shapes
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
_MONTE_CARLO_ROWS = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """`largest_difference` is between probabilities, or between values in the target's own units."""

    rows: int
    largest_difference: float
    bit_equal_alone_batched_shuffled: bool


def freeze_and_prove(
    network: Network,
    target: Target,
    features: NDArray[np.float32],
    tile: int | None = None,
    temperature: float = 1.0,
) -> tuple[bytes, FrozenNetwork, Parity]:
    """Freezes `network` (the ONNX file, and what it answers with) and proves it on rows of `features`.

    `features` is float32 [n, *input_shape], n at least 1: validation rows, or training rows where there are none.
    `tile` is by default what `tile_rows` says. Where a row's bits are seen to depend on its neighbours, the tile
    becomes one row. Raises `Diverged` where the network's own answers are not finite. Leaves `network` in eval mode.
    """
    content = freeze(network, target, tile or tile_rows(network.spec), temperature)
    frozen = FrozenNetwork(content)
    parity = prove(network, frozen, target, features)
    if not parity.bit_equal_alone_batched_shuffled and frozen.tile_rows > 1:
        content = freeze(network, target, 1, temperature)
        frozen = FrozenNetwork(content)
        parity = prove(network, frozen, target, features)
    return content, frozen, parity


def prove(network: Network, frozen: FrozenNetwork, target: Target, features: NDArray[np.float32]) -> Parity:
    """Compares the two on at most `MOST_ROWS` rows of `features`, spread evenly over them.

    With a temperature, both what it makes and what was before it is compared.
    """
    rows = features[_chosen(len(features), multiplications(network.spec))]
    differences, equal = [], True
    for calibrated in (True, False) if frozen.temperature != 1 else (True,):
        expected = reference_answers(network, target, rows, frozen.temperature if calibrated else 1.0)
        if not np.isfinite(expected).all():
            raise Diverged("the trained network's answers are not finite numbers")
        answers = frozen.answer(rows, calibrated=calibrated)
        differences.append(float(np.abs(answers - expected).max()))
        equal = equal and _bit_equal(frozen, rows, answers, calibrated=calibrated)
    return Parity(len(rows), max(differences), bit_equal_alone_batched_shuffled=equal)


def prove_monte_carlo(
    network: Network, content: bytes, target: Target, features: NDArray[np.float32], temperature: float
) -> None:
    """Raises `Unfaithful` where the Monte Carlo network, given masks that drop nothing, is not as eval mode answers."""
    rows = features[_chosen(min(len(features), _MONTE_CARLO_ROWS), 0)]
    monte_carlo = MonteCarloNetwork(content)
    masks = tuple(np.ones((1, *shape), np.float32) for shape in dropped_shapes(network.spec).values())
    answers = np.concatenate([monte_carlo.answers(rows[row : row + 1], masks) for row in range(len(rows))])
    difference = float(np.abs(answers - reference_answers(network, target, rows, temperature)).max())
    require_faithful(Parity(len(rows), difference, bit_equal_alone_batched_shuffled=True), target)


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


def reference_answers(
    network: Network, target: Target, features: NDArray[np.float32], temperature: float = 1.0
) -> NDArray[np.float64]:
    """What the trained network answers in eval mode, as the frozen one words it: float64 [n, outputs]."""
    logits = reference_logits(network, features)
    with torch.inference_mode():
        answers = network.layers[-1](torch.from_numpy(logits / temperature)).to(torch.float64).numpy()
    if isinstance(target, NumberTarget):
        return np.asarray(answers * target.scale.deviation + target.scale.mean)
    return np.concatenate([1 - answers, answers], axis=1) if answers.shape[1] == 1 else answers


def reference_logits(network: Network, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What comes before the last activation in eval mode: float32 [n, units]. Leaves `network` in eval mode."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(part.to(device)).cpu() for part in torch.split(torch.from_numpy(features), _CHUNK_ROWS)]
    return np.asarray(torch.cat(parts).numpy())


def _chosen(rows: int, work: int) -> NDArray[np.int64]:
    most = min(rows, MOST_ROWS, max(_LEAST_ROWS, _MULTIPLICATIONS // max(1, work)))
    return np.linspace(0, rows - 1, most).astype(np.int64)


def _bit_equal(
    frozen: FrozenNetwork, rows: NDArray[np.float32], together: NDArray[np.float32], *, calibrated: bool
) -> bool:
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(rows))
    shuffled = frozen.answer(rows[order], calibrated=calibrated)
    each = [frozen.answer(rows[row : row + 1], calibrated=calibrated) for row in range(len(rows))]
    alone = np.concatenate(each)
    return alone.tobytes() == together.tobytes() and shuffled.tobytes() == together[order].tobytes()

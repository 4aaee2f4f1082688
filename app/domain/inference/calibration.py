"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks").

One number divides the logits, so that a probability of 0.8 is right about eight times in ten. It keeps their order.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
LOWEST, HIGHEST = 0.05, 20.0
LEAST_ROWS = 20
_STEPS = 100
_DECIMALS = 4
"""Beyond these a temperature says nothing: the rows that it is fitted on are few."""
Hindrance = Literal["no_held_out_rows", "too_few_rows", "one_class", "no_mistakes", "not_finite"]
"""Why there is no temperature."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A temperature; 1 where `hindrance` says why none could be fitted."""

    temperature: float
    hindrance: Hindrance | None = None


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> Fit:
    """The temperature from 0.05 to 20 by which `logits` [n, classes] make `targets` [n] likeliest.

    The log likelihood is concave in the inverse temperature, so the one zero of its slope is searched for: by Newton's
    steps, and by halving where they leave the bracket.
    """
    numbers = logits.astype(np.float64)
    hindrance = _hindrance(numbers, targets)
    if hindrance is not None:
        return Fit(1.0, hindrance)
    numbers -= numbers.max(axis=1, keepdims=True)
    right = numbers[np.arange(len(targets)), targets]
    if not right.any():
        return Fit(1.0, "no_mistakes")
    low, high, inverse = 1 / HIGHEST, 1 / LOWEST, 1.0
    for _ in range(_STEPS):
        slope, curvature = _slope(numbers, right, inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        following = inverse - slope / curvature if curvature > 0 else high if slope < 0 else low
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - inverse) < 1e-9 * inverse:
            break
        inverse = following
    return Fit(round(min(max(1 / inverse, LOWEST), HIGHEST), _DECIMALS))


def _hindrance(logits: Doubles, targets: NDArray[np.int64]) -> Hindrance | None:
    if not len(targets):
        return "no_held_out_rows"
    if len(targets) < LEAST_ROWS:
        return "too_few_rows"
    if (targets == targets[0]).all():
        return "one_class"
    return None if np.isfinite(logits).all() else "not_finite"


def _slope(logits: Doubles, right: Doubles, inverse: float) -> tuple[float, float]:
    """The first and second derivative of the mean negative log likelihood by the inverse temperature."""
    probabilities = softmax(logits * inverse)
    means = (probabilities * logits).sum(axis=1)
    variances = (probabilities * np.square(logits - means[:, np.newaxis])).sum(axis=1)
    return float((means - right).mean()), float(variances.mean())


def softmax(logits: Doubles) -> Doubles:
    """Over the last axis of `logits`, which are overwritten."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits


def uncalibrated(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """The probabilities of `logits` [n, classes] that were divided by `temperature`, as they were before."""
    with np.errstate(invalid="ignore"):
        return softmax(logits.astype(np.float64) * temperature).astype(np.float32)

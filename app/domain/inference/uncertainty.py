"""What Monte Carlo dropout says of a row: the mean of the passes, and how far they differ (Gal & Ghahramani 2016)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Of n rows, over `samples` passes. Entropies are in nats, and None for a regression, which has no classes.

    `mean` and `standard_deviation` are float32 [n, outputs], of each class's probability or of the value; the standard
    deviation divides by `samples`, so that one pass has 0. `predictive_entropy`, float32 [n], is the entropy of the
    mean probabilities; `mutual_information`, float32 [n], is what is left of it without the mean entropy of the passes:
    what the network does not know, as opposed to what cannot be known.
    """

    mean: Floats
    standard_deviation: Floats
    predictive_entropy: Floats | None
    mutual_information: Floats | None
    samples: int


def uncertainty(passes: Floats, *, classes: bool) -> Uncertainty:
    """Sums up `passes`, float32 [n, samples, outputs]; `classes` says that the outputs are probabilities.

    Each row is summed up by itself, so that its bits do not depend on the others.
    """
    rows, samples, outputs = passes.shape
    mean, deviation = (np.empty((rows, outputs), np.float32) for _ in range(2))
    entropy, information = (np.empty(rows, np.float32) for _ in range(2))
    for row in range(rows):
        numbers = passes[row].astype(np.float64)
        center = np.add.reduce(numbers, axis=0) / samples
        mean[row] = center
        if classes:
            total = _entropy(center)
            entropy[row], information[row] = total, max(0.0, total - _entropy(numbers) / samples)
        numbers -= center
        numbers *= numbers
        deviation[row] = np.sqrt(np.add.reduce(numbers, axis=0) / samples)
    if classes:
        return Uncertainty(mean, deviation, entropy, information, samples)
    return Uncertainty(mean, deviation, None, None, samples)


def _entropy(probabilities: Doubles) -> float:
    """-Σ p ln p over everything, 0 ln 0 being 0; never below 0."""
    terms = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    terms *= probabilities
    return max(0.0, -float(np.add.reduce(terms, axis=None)))

"""What a run records of its calibration: the temperature, and how far its probabilities were and are to be trusted."""

from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from app.domain.inference.calibration import LEAST_ROWS, Fit, Hindrance
from app.domain.inference.evaluation import log_loss

BINS = 15
_MESSAGES: dict[Hindrance, str] = {
    "no_held_out_rows": "no row was held out",
    "too_few_rows": f"fewer than {LEAST_ROWS} rows were held out",
    "one_class": "all held-out rows are of one class",
    "no_mistakes": "every held-out row is answered right, so that a lower temperature is always better",
    "not_finite": "the network's logits are not finite",
}


class Beside(TypedDict):
    before: float
    after: float


class Bin(TypedDict):
    """Rows whose highest probability is above `lower` and at most `upper`: their mean of it, and how many are right."""

    lower: float
    upper: float
    count: int
    confidence: NotRequired[float]
    accuracy: NotRequired[float]


class Reliability(TypedDict):
    before: list[Bin]
    after: list[Bin]


class NotFitted(TypedDict):
    code: Hindrance
    message: str


class Calibration(TypedDict):
    """Measured before and after the temperature on the `rows` held out; left out where there are none."""

    temperature: float
    rows: int
    bins: int
    not_fitted: NotRequired[NotFitted]
    expected_calibration_error: NotRequired[Beside]
    log_loss: NotRequired[Beside]
    reliability: NotRequired[Reliability]


def calibration(
    fit: Fit, before: NDArray[np.floating], after: NDArray[np.floating], targets: NDArray[np.int64]
) -> Calibration:
    """What to record: probabilities `before` and `after` a temperature, each [n, classes], against `targets` [n]."""
    recorded = Calibration(temperature=fit.temperature, rows=len(targets), bins=BINS)
    if fit.hindrance is not None:
        recorded["not_fitted"] = NotFitted(code=fit.hindrance, message=_MESSAGES[fit.hindrance])
    if len(targets):
        bins = Reliability(before=reliability(before, targets), after=reliability(after, targets))
        recorded["expected_calibration_error"] = Beside(
            before=expected_calibration_error(bins["before"]), after=expected_calibration_error(bins["after"])
        )
        recorded["log_loss"] = Beside(before=log_loss(before, targets), after=log_loss(after, targets))
        recorded["reliability"] = bins
    return recorded


def reliability(probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> list[Bin]:
    """The rows in `BINS` bins of equal width by their highest probability; the answer is the first of equals."""
    confidences = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, BINS - 1)
    counts, confident, accurate = (np.bincount(place, values, BINS) for values in (None, confidences, right))
    bins = [
        Bin(lower=round(float(lower), 6), upper=round(float(upper), 6), count=int(count))
        for lower, upper, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    for found, confidence, accuracy in zip(bins, confident, accurate, strict=True):
        if found["count"]:
            found["confidence"] = float(confidence / found["count"])
            found["accuracy"] = float(accuracy / found["count"])
    return bins


def expected_calibration_error(bins: list[Bin]) -> float:
    """The mean distance of accuracy and confidence over the rows (Guo et al. 2017, Eq. 3); 0 without rows."""
    rows = sum(found["count"] for found in bins)
    parts = (found["count"] * abs(found["accuracy"] - found["confidence"]) for found in bins if found["count"])
    return sum(parts) / max(1, rows)

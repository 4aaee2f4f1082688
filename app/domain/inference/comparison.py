"""Two models on the same rows: each metric, how often they agree, and whether a difference is shown.

Both tests are the exact binomial test of what differs between paired answers. For classes it is McNemar's (1947), over
the rows that one of the two has right; for numbers the sign test (Dixon & Mood 1946), over the rows that one of the two
is nearer to.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.domain.data.preprocessing import NumberTarget, Target
from app.domain.inference.judging import Truth, judged

SIGNIFICANCE = 0.05
Verdict = Literal["better", "worse", "no_difference_shown"]
Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """How many rows speak for the first model, how many for the second, and how likely so uneven a share is by chance.

    `p_value` is two-sided; rows that speak for neither are left out of it.
    """

    name: str
    p_value: float
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`metrics` are pairs, of the first model and the second.

    `agreement` is the share of rows that get the same label from both, `mean_absolute_difference` that of the values.
    `verdict` is on the second model.
    """

    rows: int
    metrics: dict[str, tuple[float, float]]
    agreement: float | None
    mean_absolute_difference: float | None
    test: PairedTest
    verdict: Verdict


def compare(target: Target, first: Answers, second: Answers, truth: Truth) -> Comparison:
    """Compares two models' answers [n, outputs], whose columns mean the same, with the truth [n]; n is at least 1."""
    metrics = _pairs(judged(target, "", first, truth), judged(target, "", second, truth))
    if isinstance(target, NumberTarget):
        errors = [np.abs(answers[:, 0].astype(np.float64) - truth) for answers in (first, second)]
        test = _paired("exact sign test on absolute errors", errors[0] < errors[1], errors[1] < errors[0])
        # A second model that is nearer more often, and further off on the whole, is not shown to be better.
        gain = float(errors[0].mean() - errors[1].mean())
        difference = float(np.abs(first[:, 0].astype(np.float64) - second[:, 0]).mean())
        return Comparison(len(truth), metrics, None, difference, test, _verdict(test, gain))
    labels = [answers.argmax(axis=1) for answers in (first, second)]
    right = [answered == truth for answered in labels]
    test = _paired("exact McNemar test", right[0] & ~right[1], right[1] & ~right[0])
    agreement = float((labels[0] == labels[1]).mean())
    return Comparison(len(truth), metrics, agreement, None, test, _verdict(test, test.second - test.first))


def binomial_p_value(first: int, second: int) -> float:
    """The two-sided exact p-value of `first` against `second` where either was as likely; 1 where both are 0."""
    count = first + second
    terms = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(min(first, second) + 1)
    ]
    tail = math.fsum(math.exp(term - count * math.log(2)) for term in terms)
    return min(1.0, 2 * tail)


def _paired(name: str, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedTest:
    counts = int(first.sum()), int(second.sum())
    return PairedTest(name, binomial_p_value(*counts), *counts)


def _verdict(test: PairedTest, gain: float) -> Verdict:
    """`gain` is above 0 where the second model did better on the whole."""
    if test.p_value >= SIGNIFICANCE or gain * (test.second - test.first) <= 0:
        return "no_difference_shown"
    return "better" if gain > 0 else "worse"


def _pairs(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """The metrics that both have. Losses are left out: each model has its own."""
    found = [{**scores, "macro_f1": scores.get("macro_average", {}).get("f1")} for scores in (first, second)]
    return {
        name: (value, found[1][name])
        for name, value in found[0].items()
        if name != "loss" and isinstance(value, float) and isinstance(found[1].get(name), float)
    }

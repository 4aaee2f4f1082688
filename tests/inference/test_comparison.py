"""Two models on the same rows: exact p-values, verdicts that need both the test and the metric, and symmetry."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from app.domain.data.preprocessing import ClassTarget, NumberTarget, Scale
from app.domain.inference.comparison import Comparison, binomial_p_value, compare

CLASSES = ClassTarget(name="y", labels=("a", "b"))
NUMBERS = NumberTarget(name="y", scale=Scale(mean=0.0, deviation=2.0))
TURNED = {"better": "worse", "worse": "better", "no_difference_shown": "no_difference_shown"}


def sure(labels: list[int]) -> NDArray[np.float32]:
    """Answers of a model that is quite sure of these classes."""
    return np.array([(0.9, 0.1) if label == 0 else (0.1, 0.9) for label in labels], np.float32)


def values(numbers: list[float]) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)[:, None]


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_p_value_is_the_exact_binomial_tail(first: int, second: int) -> None:
    count = first + second
    tail = sum(Fraction(comb(count, k), 2**count) for k in range(min(first, second) + 1))
    assert binomial_p_value(first, second) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-9)


def test_a_p_value_of_many_rows_is_finite() -> None:
    assert binomial_p_value(0, 20_000) == 0.0
    assert binomial_p_value(10_000, 10_000) == 1.0
    assert 0.04 < binomial_p_value(9_856, 10_144) < 0.05


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=1, max_size=60))
def test_classes_are_compared_by_what_one_alone_has_right(cases: list[tuple[int, int, int]]) -> None:
    truth, first, second = (list(column) for column in zip(*cases, strict=True))
    found = compare(CLASSES, sure(first), sure(second), np.array(truth))
    alone = [sum(a == t != b for t, a, b in cases), sum(b == t != a for t, a, b in cases)]
    assert [found.test.first, found.test.second] == alone
    assert found.agreement == pytest.approx(metrics.accuracy_score(first, second))
    expected = [metrics.accuracy_score(truth, answered) for answered in (first, second)]
    assert list(found.metrics["accuracy"]) == pytest.approx(expected)
    assert "loss" not in found.metrics
    assert {"accuracy", "log_loss", "macro_f1"} <= set(found.metrics)
    shown = found.test.p_value < 0.05
    assert found.verdict == (("better" if alone[1] > alone[0] else "worse") if shown else "no_difference_shown")
    assert turned(found) == compare(CLASSES, sure(second), sure(first), np.array(truth)).verdict


@given(st.lists(st.tuples(*[st.floats(-50, 50, width=16)] * 3), min_size=1, max_size=60))
def test_numbers_are_compared_by_which_is_nearer(cases: list[tuple[float, float, float]]) -> None:
    truth, first, second = (list(column) for column in zip(*cases, strict=True))
    found = compare(NUMBERS, values(first), values(second), np.array(truth))
    assert found.test.first == sum(abs(a - t) < abs(b - t) for t, a, b in cases)
    assert found.test.second == sum(abs(b - t) < abs(a - t) for t, a, b in cases)
    assert found.mean_absolute_difference == pytest.approx(np.mean(np.abs(np.array(first) - second)))
    assert found.agreement is None
    assert turned(found) == compare(NUMBERS, values(second), values(first), np.array(truth)).verdict


def turned(found: Comparison) -> str:
    """The verdict where the two change places."""
    return TURNED[found.verdict]


def test_one_row_shows_nothing() -> None:
    assert compare(CLASSES, sure([1]), sure([0]), np.array([0])).verdict == "no_difference_shown"
    assert compare(NUMBERS, values([9.0]), values([0.0]), np.array([0.0])).verdict == "no_difference_shown"


def test_a_model_that_is_nearer_more_often_and_far_off_at_last_is_not_better() -> None:
    truth = np.zeros(40)
    second = [0.5] * 39 + [1000.0]
    assert compare(NUMBERS, values([1.0] * 40), values([0.5] * 40), truth).verdict == "better"
    assert compare(NUMBERS, values([1.0] * 40), values(second), truth).verdict == "no_difference_shown"

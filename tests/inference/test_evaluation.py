"""Evaluation: scikit-learn's numbers, and nothing that is not finite."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from app.domain.inference.evaluation import evaluate_classes, evaluate_values

LABELS = ("a", "b", "c", "d")


@st.composite
def answered(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities, with many ties, and targets among two to four classes."""
    classes, rows = draw(st.integers(2, 4)), draw(st.integers(1, 40))
    weights = draw(st.lists(st.integers(1, 6), min_size=classes * rows, max_size=classes * rows))
    numbers = np.array(weights, np.float32).reshape(rows, classes)
    targets = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    return numbers / numbers.sum(axis=1, keepdims=True), np.array(targets, np.int64)


@settings(deadline=None)
@given(answered())
def test_classes_are_scored_as_scikit_learn_scores_them(case: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    probabilities, targets = case
    classes = list(range(probabilities.shape[1]))
    ours: Any = evaluate_classes(LABELS[: len(classes)], probabilities, targets)
    answers = probabilities.argmax(axis=1)
    theirs = metrics.precision_recall_fscore_support(targets, answers, labels=classes, zero_division=0)
    for index, (label, score) in enumerate(zip(("precision", "recall", "f1", "support"), theirs, strict=True)):
        assert [ours["classes"][name][label] for name in LABELS[: len(classes)]] == pytest.approx(list(score)), index
    average = metrics.precision_recall_fscore_support(targets, answers, average="macro", zero_division=0)
    assert list(ours["macro_average"].values()) == pytest.approx(list(average[:3]))
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(targets, answers))
    assert ours["confusion_matrix"] == metrics.confusion_matrix(targets, answers, labels=classes).tolist()
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert ours["log_loss"] == pytest.approx(metrics.log_loss(targets, exact, labels=classes), rel=1e-6)


@settings(deadline=None)
@given(answered())
def test_the_area_under_the_curve_is_scikit_learns_ties_included(
    case: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    probabilities, targets = case
    classes = probabilities.shape[1]
    assume(len(set(targets.tolist())) == classes)
    ours = evaluate_classes(LABELS[:classes], probabilities, targets)
    columns = [1] if classes == 2 else range(classes)
    theirs = np.mean([metrics.roc_auc_score(targets == label, probabilities[:, label]) for label in columns])
    assert ours["roc_auc"] == pytest.approx(theirs)


def test_an_area_that_is_undefined_is_left_out() -> None:
    evaluation = evaluate_classes(LABELS[:2], np.array([[0.4, 0.6], [0.5, 0.5]]), np.array([1, 1]))
    assert "roc_auc" not in evaluation


def test_a_class_without_rows_has_no_part_in_the_area_or_the_averages() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    evaluation = evaluate_classes(LABELS[:3], probabilities, np.array([0, 1, 0]))
    assert evaluation["roc_auc"] == 1.0
    assert evaluation["macro_average"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert evaluation["classes"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_a_sure_mistake_has_a_finite_loss() -> None:
    evaluation = evaluate_classes(LABELS[:2], np.array([[1.0, 0.0]]), np.array([1]))
    assert evaluation["log_loss"] == pytest.approx(-np.log(1e-15))
    json.dumps(evaluation, allow_nan=False)


numbers = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=40))
def test_values_are_scored_as_scikit_learn_scores_them(pairs: list[tuple[float, float]]) -> None:
    values, targets = np.array(pairs).T
    assume(targets.std() > 1e-3)
    ours = evaluate_values(values, targets)
    assert ours["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(targets, values))
    assert ours["root_mean_squared_error"] == pytest.approx(metrics.root_mean_squared_error(targets, values))
    assert ours["r2"] == pytest.approx(metrics.r2_score(targets, values))


@pytest.mark.parametrize(("value", "expected"), [(5.0, 1.0), (6.0, 0.0)])
def test_constant_targets_have_a_finite_r2(value: float, expected: float) -> None:
    assert evaluate_values(np.full(3, value), np.full(3, 5.0))["r2"] == expected

"""How good answers are, on rows whose truth is known. Every number is finite; what is undefined is left out."""

from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

SMALLEST_PROBABILITY = 1e-15
"""Probabilities count as at least this in the log loss, so that one sure mistake does not make it infinite."""


class ClassScores(TypedDict):
    """A class's precision, recall and F1 (0 where undefined), and how many rows are of it."""

    precision: float
    recall: float
    f1: float
    support: int


class Averages(TypedDict):
    precision: float
    recall: float
    f1: float


class ClassEvaluation(TypedDict):
    """Rows of `confusion_matrix` are true classes, columns the answered ones; both in the order of the labels."""

    accuracy: float
    log_loss: float
    roc_auc: NotRequired[float]
    macro_average: Averages
    classes: dict[str, ClassScores]
    confusion_matrix: list[list[int]]


class ValueEvaluation(TypedDict):
    """In the target's own units, but for `r2`."""

    mean_absolute_error: float
    root_mean_squared_error: float
    r2: float


def evaluate_classes(
    labels: tuple[str, ...], probabilities: NDArray[np.floating], targets: NDArray[np.int64]
) -> ClassEvaluation:
    """Scores `probabilities` [n, classes] against `targets` [n], indices into `labels`; n is at least 1.

    The answered class is the most probable one, the first of equals. Averages are over the classes that occur among
    the targets or the answers.
    """
    numbers = probabilities.astype(np.float64)
    answered = numbers.argmax(axis=1)
    matrix = np.bincount(targets * len(labels) + answered, minlength=len(labels) ** 2).reshape(len(labels), -1)
    scores = _scores(matrix)
    occurs = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    precision, recall, f1 = (float(scores[occurs, column].mean()) for column in range(3))
    evaluation = ClassEvaluation(
        accuracy=float(matrix.trace() / matrix.sum()),
        log_loss=log_loss(numbers, targets),
        macro_average=Averages(precision=precision, recall=recall, f1=f1),
        classes={
            label: ClassScores(precision=float(p), recall=float(r), f1=float(f), support=int(support))
            for label, (p, r, f), support in zip(labels, scores, matrix.sum(axis=1), strict=True)
        },
        confusion_matrix=matrix.tolist(),
    )
    area = roc_auc(numbers, targets)
    if area is not None:
        evaluation["roc_auc"] = area
    return evaluation


def evaluate_values(values: NDArray[np.floating], targets: NDArray[np.float64]) -> ValueEvaluation:
    """Scores `values` [n] against `targets` [n], both in the target's own units; n is at least 1.

    `r2` of constant targets, which have no variance to explain, is 1 for perfect answers and else 0.
    """
    errors = values.astype(np.float64) - targets
    residual, total = float(np.square(errors).sum()), float(np.square(targets - targets.mean()).sum())
    return ValueEvaluation(
        mean_absolute_error=float(np.abs(errors).mean()),
        root_mean_squared_error=float(np.sqrt(np.square(errors).mean())),
        r2=1 - residual / total if total > 0 else float(residual == 0),
    )


def log_loss(probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """The mean negative log likelihood of `targets` [n] by `probabilities` [n, classes]; n is at least 1."""
    right = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(np.clip(right, SMALLEST_PROBABILITY, 1.0)).mean())


def roc_auc(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> float | None:
    """The area under the ROC curve: of the second of two classes, or else the mean of one against the rest.

    A class that no row, or every row, is of has no curve and no part in the mean; None where no class has one.
    """
    classes = probabilities.shape[1]
    areas = [_area(probabilities[:, label], targets == label) for label in ([1] if classes == 2 else range(classes))]
    defined = [area for area in areas if area is not None]
    return float(np.mean(defined)) if defined else None


def _area(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """The Mann-Whitney statistic (Hanley & McNeil 1982): the share of pairs in the right order, ties counting half."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _scores(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision, recall and F1 of each class, [classes, 3]; 0 where there is nothing to divide by."""
    right, answered, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    return np.stack(
        [
            right / np.maximum(answered, 1),
            right / np.maximum(true, 1),
            2 * right / np.maximum(answered + true, 1),
        ],
        axis=1,
    )

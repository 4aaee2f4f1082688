"""Answers held against what is true of stored rows: one way for a run's own evaluation and for every later one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.preprocessing import Target
from app.domain.data.split import Rows
from app.domain.data.targets import class_targets, number_targets
from app.domain.inference.evaluation import evaluate_classes, evaluate_values
from app.domain.inference.reliability import expected_calibration_error, reliability

Truth = NDArray[np.int64] | NDArray[np.float64]


def truth_of(target: Target, columns: Columns, rows: Rows) -> Truth:
    """What is true of stored rows, [n]: indices into the target's labels, or numbers in its own units.

    Raises `InvalidDataset` where the dataset's target is another task's, or has classes that the model does not know.
    """
    return class_targets(target, columns, rows) if target.type == "classes" else number_targets(columns, rows)


def judged(target: Target, loss: str, answers: NDArray[np.float32], truth: Truth) -> dict[str, Any]:
    """`answers` [n, outputs] against `truth` [n], n at least 1, as a run's result has it.

    The scores, and before them the loss that the run trained with; for classes also how far probabilities are from
    what they claim to be.
    """
    if target.type == "classes":
        classes = truth.astype(np.int64, copy=False)
        scores = evaluate_classes(target.labels, answers, classes)
        error = expected_calibration_error(reliability(answers, classes))
        return {"loss": scores["log_loss"], **scores, "expected_calibration_error": error}
    values = truth.astype(np.float64, copy=False)
    errors = np.abs(answers[:, 0] - values) / target.scale.deviation
    return {"loss": _loss(loss, errors), **evaluate_values(answers[:, 0], values)}


def _loss(name: str, errors: NDArray[np.float64]) -> float:
    """The training loss of absolute standardised errors; Huber's with its usual threshold of one."""
    if name == "mean_absolute_error":
        return float(errors.mean())
    if name == "huber":
        return float(np.where(errors <= 1, errors**2 / 2, errors - 0.5).mean())
    return float(np.square(errors).mean())

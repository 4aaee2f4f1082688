"""Settings that cannot train a network for a task are named before anything runs."""

from typing import Any

import pytest

from app.domain.network.spec import NetworkSpec
from app.domain.plan.compatibility import check_settings, resolved_loss
from app.domain.task import Task
from app.errors import InvalidSettings
from tests.training.cases import BINARY, CLASSES, NUMBER, settings, spec

SOFTMAX, SIGMOID, LINEAR = spec(*CLASSES), spec(*BINARY), spec(*NUMBER)


@pytest.mark.parametrize(
    ("network", "task", "loss"),
    [
        (SOFTMAX, Task.CLASSIFICATION, "cross_entropy"),
        (SIGMOID, Task.CLASSIFICATION, "binary_cross_entropy"),
        (LINEAR, Task.REGRESSION, "mean_squared_error"),
    ],
)
def test_auto_is_the_loss_that_fits_the_output(network: NetworkSpec, task: Task, loss: str) -> None:
    assert resolved_loss(network, task, settings()) == loss
    check_settings(network, task, settings(loss=loss))


@pytest.mark.parametrize(
    ("network", "task", "fields", "field"),
    [
        (SOFTMAX, Task.CLASSIFICATION, {"loss": "binary_cross_entropy"}, "loss"),
        (SOFTMAX, Task.CLASSIFICATION, {"loss": "huber"}, "loss"),
        (SIGMOID, Task.CLASSIFICATION, {"loss": "cross_entropy"}, "loss"),
        (LINEAR, Task.REGRESSION, {"loss": "cross_entropy"}, "loss"),
        (LINEAR, Task.REGRESSION, {"class_weight": "balanced"}, "class_weight"),
        (LINEAR, Task.REGRESSION, {"label_smoothing": 0.1}, "label_smoothing"),
        (LINEAR, Task.REGRESSION, {"early_stopping": {"monitor": "validation_accuracy"}}, "early_stopping/monitor"),
        (
            SOFTMAX,
            Task.CLASSIFICATION,
            {"early_stopping": {"monitor": "validation_r2"}},
            "early_stopping/monitor",
        ),
        (
            SOFTMAX,
            Task.CLASSIFICATION,
            {"optimizer": {"name": "sgd", "nesterov": True}},
            "optimizer/nesterov",
        ),
        (SOFTMAX, Task.CLASSIFICATION, {"validation": {"fraction": 0.1, "dataset": "ds_1"}}, "validation"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    network: NetworkSpec, task: Task, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        check_settings(network, task, settings(**fields))
    assert [error.pointer for error in caught.value.errors] == [f"/training/{field}"]


@pytest.mark.parametrize("monitor", ["validation_loss", "train_eval_loss", "validation_accuracy"])
def test_what_a_classification_measures_may_be_monitored(monitor: str) -> None:
    check_settings(SOFTMAX, Task.CLASSIFICATION, settings(early_stopping={"monitor": monitor}))

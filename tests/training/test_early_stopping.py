"""Stopping early, and going back to the best epoch."""

import pytest
import torch

from app.domain.training.events import EpochReport
from app.domain.training.loop import train
from tests.training.cases import (
    BATCH_NORM,
    CLASSES,
    NUMBER,
    PLAIN,
    begin,
    class_rows,
    equal,
    number_rows,
    reports,
    settings,
    spec,
    weights,
)

# Steps this large overshoot, so that later epochs are worse than earlier ones.
ROUGH = {"name": "sgd", "learning_rate": 2.0}


def test_a_run_stops_when_the_metric_has_not_got_better_for_patience_epochs() -> None:
    chosen = settings(epochs=100, early_stopping={"patience": 3, "minimum_change": 0.05})
    seen = reports(begin(spec(*PLAIN, *CLASSES), class_rows(60), chosen, class_rows(60, seed=1)))
    best = max(report.epoch for report in seen if report.best)
    assert len(seen) == best + 3 < 100
    assert [report.stopped for report in seen] == [False] * (len(seen) - 1) + [True]


def test_an_epoch_is_best_only_when_it_is_better_by_more_than_the_minimum_change() -> None:
    chosen = settings(epochs=40, early_stopping={"patience": 50, "minimum_change": 0.05})
    seen = reports(begin(spec(*PLAIN, *CLASSES), class_rows(60), chosen, class_rows(60, seed=1)))
    lowest = float("inf")
    for report in seen:
        assert report.best == (lowest - report.validation["loss"] > 0.05)
        lowest = report.validation["loss"] if report.best else lowest


@pytest.mark.parametrize("restore_best", [True, False])
def test_the_best_epochs_weights_and_running_statistics_are_put_back_where_asked(restore_best: bool) -> None:
    rule = {"patience": 20, "restore_best": restore_best, "monitor": "train_eval_loss"}
    chosen = settings(epochs=20, optimizer=ROUGH, early_stopping=rule, population_statistics=False)
    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(60), chosen)
    at: dict[int, dict[str, torch.Tensor]] = {}
    best = 0
    for event in train(run):
        if isinstance(event, EpochReport):
            at[event.epoch] = weights(run.network)
            best = event.epoch if event.best else best
    assert best < 20
    assert equal(weights(run.network), at[best if restore_best else 20])


@pytest.mark.parametrize(
    ("monitor", "metric"),
    [("validation_mean_absolute_error", "mean_absolute_error"), ("validation_r2", "r2"), ("validation_loss", "loss")],
)
def test_a_metric_is_followed_in_its_own_direction(monitor: str, metric: str) -> None:
    chosen = settings(
        epochs=25, optimizer={"name": "sgd", "learning_rate": 0.4}, early_stopping={"monitor": monitor, "patience": 30}
    )
    seen = reports(begin(spec(*PLAIN, *NUMBER), number_rows(60), chosen, number_rows(60, seed=1)))
    values = [report.validation[metric] for report in seen]
    best = max(values) if metric == "r2" else min(values)
    assert max(report.epoch for report in seen if report.best) == values.index(best) + 1


def test_without_early_stopping_the_best_epoch_is_named_and_the_last_one_kept() -> None:
    run = begin(spec(*PLAIN, *CLASSES), class_rows(60), settings(epochs=20, optimizer=ROUGH), class_rows(60, seed=1))
    seen = reports(run)
    best = min(seen, key=lambda report: report.validation["loss"])
    assert max(report.epoch for report in seen if report.best) == best.epoch
    assert run.best.weights == {}

"""What a run does, step by step and epoch by epoch."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from app.domain.training.build import build
from app.domain.training.data import TrainingData
from app.domain.training.events import EpochReport, Step
from app.domain.training.loop import train
from app.domain.training.masks import row_order
from app.domain.training.run import TrainingRun
from app.errors import InvalidSettings
from tests.training.cases import (
    BATCH_NORM,
    BINARY,
    CLASSES,
    DROPOUT,
    NUMBER,
    PLAIN,
    begin,
    class_rows,
    dense,
    equal,
    norm,
    number_rows,
    reports,
    settings,
    spec,
    weights,
)

QUICK = {"name": "adam", "learning_rate": 0.01}


def test_a_run_yields_every_step_then_the_report_of_its_epoch_then_the_statistics() -> None:
    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(40), settings(epochs=2))
    seen = [
        ("report", event.epoch) if isinstance(event, EpochReport) else (event.phase, event.epoch, event.step)
        for event in train(run)
    ]
    assert seen == [
        ("training", 1, 1),
        ("training", 1, 2),
        ("training", 1, 3),
        ("report", 1),
        ("training", 2, 1),
        ("training", 2, 2),
        ("training", 2, 3),
        ("report", 2),
        ("statistics", 3, 0),
        ("statistics", 3, 1),
        ("statistics", 3, 2),
    ]
    assert not run.network.training


@pytest.mark.parametrize("layers", [PLAIN, DROPOUT, BATCH_NORM])
def test_networks_learn_classes(layers: list[dict[str, object]]) -> None:
    run = begin(spec(*layers, *CLASSES), class_rows(300), settings(epochs=15, optimizer=QUICK), class_rows(100, seed=1))
    last = reports(run)[-1]
    assert last.validation["accuracy"] > 0.95
    assert last.train_eval["loss"] < 0.2


def test_a_sigmoid_unit_learns_two_classes() -> None:
    run = begin(spec(*PLAIN, *BINARY), class_rows(300, classes=2), settings(epochs=15, optimizer=QUICK))
    assert reports(run)[-1].train_eval["accuracy"] > 0.95


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber"])
def test_networks_learn_numbers(loss: str) -> None:
    run = begin(spec(*PLAIN, *NUMBER), number_rows(300), settings(epochs=40, loss=loss), number_rows(100, seed=1))
    assert reports(run)[-1].train_eval["r2"] > 0.9


def test_the_training_metrics_are_what_the_optimiser_saw_and_the_others_are_in_eval_mode() -> None:
    data, held_out = class_rows(64), class_rows(30, seed=1)
    run = begin(spec(*DROPOUT, norm(), *CLASSES), data, settings(epochs=1, batch_size=64), held_out)
    before = build(spec(*DROPOUT, norm(), *CLASSES), 7)
    before.train()
    order = row_order(7, 1, 64)
    seen = functional.cross_entropy(before(data.features[order]), data.targets[order])
    report = reports(run)[0]
    assert report.train["loss"] == pytest.approx(seen.item(), rel=1e-6)
    run = begin(
        spec(*DROPOUT, norm(), *CLASSES), data, settings(epochs=1, batch_size=64, population_statistics=False), held_out
    )
    report = reports(run)[0]
    run.network.eval()
    for measured, rows in ((report.train_eval, data), (report.validation, held_out)):
        logits = run.network(rows.features)
        assert measured["loss"] == pytest.approx(functional.cross_entropy(logits, rows.targets).item(), rel=1e-6)
        right = (logits.argmax(1) == rows.targets).to(torch.float64).mean().item()
        assert measured["accuracy"] == pytest.approx(right, abs=1e-12)


def test_training_goes_on_in_training_mode_when_the_caller_has_evaluated_in_between() -> None:
    undisturbed = begin(spec(*DROPOUT, norm(), *CLASSES), class_rows(40), settings())
    disturbed = begin(spec(*DROPOUT, norm(), *CLASSES), class_rows(40), settings())
    reports(undisturbed)
    for _ in train(disturbed):
        disturbed.network.eval()
        disturbed.network(class_rows(5).features)
    assert equal(weights(undisturbed.network), weights(disturbed.network))


def test_an_orphan_row_joins_the_batch_before_it() -> None:
    sizes: list[int] = []

    class Watched(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            sizes.append(len(inputs))
            return inputs

    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(33), settings(epochs=1))
    run.network.layers[0].register_forward_pre_hook(lambda _, inputs: Watched()(inputs[0]))
    steps = [event for event in train(run) if isinstance(event, Step) and event.phase == "training"]
    assert len(steps) == 2
    assert sizes[:2] == [16, 17]


def test_pictures_held_in_bytes_train_as_their_values_divided_by_255() -> None:
    pictures = torch.randint(0, 256, (40, 2, 2, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    targets = class_rows(40).targets
    network = spec({"type": "flatten"}, *DROPOUT, *CLASSES, shape=(2, 2, 3))
    held_in_bytes = begin(network, TrainingData(pictures, targets), settings())
    divided = begin(network, TrainingData(pictures.to(torch.float32) / 255, targets), settings())
    assert reports(held_in_bytes) == reports(divided)
    assert equal(weights(held_in_bytes.network), weights(divided.network))


def test_asked_to_finish_it_reports_the_rows_seen_and_still_estimates_the_statistics() -> None:
    run = begin(spec(*BATCH_NORM, *CLASSES), class_rows(80), settings(epochs=50))
    seen: list[Step | EpochReport] = []
    phases = set()
    for event in train(run):
        seen.append(event)
        if isinstance(event, Step):
            phases.add(event.phase)
            event.finish = event.finish or (event.epoch, event.step) == (2, 3)
    assert [event.epoch for event in seen if isinstance(event, EpochReport)] == [1, 2]
    assert run.step.finish
    assert phases == {"training", "statistics"}


def test_asked_to_finish_between_epochs_it_begins_no_other() -> None:
    run = begin(spec(*PLAIN, *CLASSES), class_rows(32), settings(epochs=50))
    for event in train(run):
        if isinstance(event, EpochReport):
            run.step.finish = True
    assert run.step.epoch == 2


def test_two_runs_with_one_seed_are_bit_equal_and_another_seed_differs() -> None:
    runs = [begin(spec(*DROPOUT, norm(), *CLASSES), class_rows(50), settings(seed=seed)) for seed in (1, 1, 2)]
    one, same, other = ([*map(repr, reports(run))] for run in runs)
    assert one == same != other
    assert equal(weights(runs[0].network), weights(runs[1].network))


def test_balanced_classes_weigh_as_much_as_one_another() -> None:
    data = class_rows(300, classes=2)
    rare = torch.cat([torch.where(data.targets == 0)[0], torch.where(data.targets == 1)[0][:10]])
    noisy = TrainingData(data.features[rare] + 6 * torch.randn(len(rare), 6), data.targets[rare])

    def recall(run: TrainingRun) -> float:
        reports(run)
        found = run.network(noisy.features).argmax(1)[noisy.targets == 1] == 1
        return int(found.sum()) / len(found)

    two = spec(*PLAIN, dense(2), {"type": "activation", "function": "softmax"})
    chosen = {"epochs": 20}
    assert recall(begin(two, noisy, settings(**chosen, class_weight="balanced"))) > recall(
        begin(two, noisy, settings(**chosen))
    )


def test_without_validation_rows_there_are_no_validation_metrics() -> None:
    assert reports(begin(spec(*PLAIN, *CLASSES), class_rows(20), settings()))[0].validation == {}


def test_settings_that_do_not_fit_are_refused_before_the_first_step() -> None:
    with pytest.raises(InvalidSettings, match="does not fit"):
        begin(spec(*PLAIN, *CLASSES), class_rows(20), settings(loss="huber"))
    with pytest.raises(InvalidSettings, match="no rows are held out"):
        begin(spec(*PLAIN, *CLASSES), class_rows(20), settings(early_stopping={}))

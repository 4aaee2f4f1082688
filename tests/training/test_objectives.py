"""Losses, metrics and schedules, against formulas, scikit-learn and torch."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from app.domain.plan.settings import Loss
from app.domain.training.losses import Objective, balanced_weights
from app.domain.training.metrics import MetricSums
from app.domain.training.schedules import Plateau, scheduled_rate

CPU = torch.device("cpu")


def test_cross_entropy_is_the_mean_negative_log_probability() -> None:
    logits, targets = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    chosen = torch.softmax(logits, 1)[torch.arange(5), targets]
    assert Objective("cross_entropy").mean(logits, targets).item() == pytest.approx(
        -chosen.log().mean().item(), rel=1e-6
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_sigmoid_unit_and_two_softmax_units_have_the_same_loss(smoothing: float) -> None:
    logit, targets = torch.randn(6, 1), torch.tensor([0, 1, 1, 0, 1, 0])
    two = torch.cat([torch.zeros(6, 1), logit], 1)
    weights = torch.tensor([0.5, 2.0])
    for weighed in (None, weights):
        one = Objective("binary_cross_entropy", weighed, smoothing).mean(logit, targets)
        other = Objective("cross_entropy", weighed, smoothing).mean(two, targets)
        assert one.item() == pytest.approx(other.item(), rel=1e-5)


def test_a_class_weight_multiplies_its_rows_losses_and_the_mean_is_over_rows() -> None:
    logits, targets = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    losses = [Objective("cross_entropy").mean(logits[[row]], targets[[row]]).item() for row in range(4)]
    weighed = Objective("cross_entropy", torch.tensor([0.5, 3.0])).mean(logits, targets).item()
    assert weighed == pytest.approx((0.5 * sum(losses[:3]) + 3 * losses[3]) / 4, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mean_squared_error", 2.125), ("mean_absolute_error", 1.25), ("huber", 0.8125)],
)
def test_losses_of_numbers(name: Loss, expected: float) -> None:
    loss = Objective(name).mean(torch.tensor([[1.5], [0.0]]), torch.tensor([1.0, 2.0]))
    assert loss.item() == pytest.approx(expected)


def test_balanced_weights_are_scikit_learns() -> None:
    targets = np.array([0] * 7 + [1] * 2 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert balanced_weights(torch.from_numpy(targets), 3).tolist() == pytest.approx(expected.tolist())
    assert balanced_weights(torch.from_numpy(targets), 4).isfinite().all()


def _sums(logits: Tensor, targets: Tensor, cuts: list[int], *, classes: bool) -> dict[str, float]:
    sums = MetricSums(classes=classes, target_scale=3.0, device=CPU)
    objective = Objective("cross_entropy" if classes else "mean_squared_error")
    for start, stop in zip([0, *cuts], [*cuts, len(targets)], strict=True):
        part = slice(start, stop)
        sums.add(logits[part], targets[part], objective.mean(logits[part], targets[part]))
    return sums.metrics()


@given(cuts=st.lists(st.integers(1, 39), max_size=4, unique=True).map(sorted))
def test_metrics_of_numbers_are_scikit_learns_in_the_targets_own_units_however_rows_are_cut(cuts: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    answers, targets = torch.randn(40, 1, generator=generator), torch.randn(40, generator=generator)
    metrics = _sums(answers, targets, cuts, classes=False)
    own, true = 3 * answers.squeeze(1).numpy(), 3 * targets.numpy()
    assert metrics["mean_absolute_error"] == pytest.approx(mean_absolute_error(true, own), rel=1e-5)
    assert metrics["root_mean_squared_error"] == pytest.approx(root_mean_squared_error(true, own), rel=1e-5)
    assert metrics["r2"] == pytest.approx(r2_score(true, own), rel=1e-5)


@given(cuts=st.lists(st.integers(1, 39), max_size=4, unique=True).map(sorted))
def test_metrics_of_classes_do_not_depend_on_how_rows_are_cut(cuts: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(40, 3, generator=generator), torch.randint(0, 3, (40,), generator=generator)
    metrics = _sums(logits, targets, cuts, classes=True)
    assert metrics["accuracy"] == int((logits.argmax(1) == targets).sum()) / 40
    assert metrics["loss"] == pytest.approx(Objective("cross_entropy").mean(logits, targets).item(), rel=1e-6)


@pytest.mark.parametrize(("answer", "expected"), [(1.5, 1.0), (2.0, 0.0)])
def test_constant_targets_have_an_r2_that_is_a_number(answer: float, expected: float) -> None:
    metrics = _sums(torch.full((4, 1), answer), torch.full((4,), 1.5), [], classes=False)
    assert metrics["r2"] == expected


@pytest.mark.parametrize("steps", [1, 2, 10, 97])
def test_schedules_are_torchs(steps: int) -> None:
    for name in ("cosine", "one_cycle"):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
        theirs: torch.optim.lr_scheduler.LRScheduler = (
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            if name == "cosine"
            else torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps, cycle_momentum=False)
        )
        for step in range(steps):
            rate = scheduled_rate("cosine" if name == "cosine" else "one_cycle", 0.3, step, steps)
            assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), (name, step)
            optimizer.step()
            if step < steps - 1:
                theirs.step()


@given(step=st.integers(0, 500), horizon=st.integers(1, 300), highest=st.floats(1e-30, 1e30))
def test_rates_stay_between_zero_and_the_highest(step: int, horizon: int, highest: float) -> None:
    for name in ("constant", "cosine", "one_cycle"):
        rate = scheduled_rate(name, highest, step, horizon)
        assert 0 <= rate <= highest * (1 + 1e-12)
        assert math.isfinite(rate)


@given(losses=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=80))
def test_the_plateau_is_torchs(losses: list[float]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0)
    ours = Plateau()
    for loss in losses:
        theirs.step(loss)
        ours.observe(loss)
        assert ours.factor == pytest.approx(optimizer.param_groups[0]["lr"])

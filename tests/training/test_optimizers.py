"""Optimisers, and what is done to weights, gradients and rates beside them."""

import pytest
import torch
from torch.nn import functional

from app.domain.training.build import Network, build
from app.domain.training.data import TrainingData
from app.domain.training.events import Step
from app.domain.training.loop import train
from app.domain.training.masks import row_order
from app.domain.training.modules import DenseModule
from tests.training.cases import CLASSES, PLAIN, begin, class_rows, dense, reports, settings, spec, weights


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "sgd", "learning_rate": 0.1},
        {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        {"name": "adam"},
        {"name": "adamw"},
        {"name": "rmsprop"},
    ],
)
def test_every_optimiser_takes_the_steps_that_torchs_plain_one_takes(optimizer: dict[str, object]) -> None:
    data, chosen = class_rows(40), settings(epochs=2, optimizer=optimizer, weight_decay=0.01)
    run = begin(spec(*PLAIN, *CLASSES), data, chosen)
    expected = _trained_by_hand(build(spec(*PLAIN, *CLASSES), 7), data, optimizer)
    reports(run)
    for name, tensor in run.network.state_dict().items():
        assert torch.allclose(tensor, expected[name], atol=1e-6), name


def _trained_by_hand(network: Network, data: TrainingData, chosen: dict[str, object]) -> dict[str, torch.Tensor]:
    makers = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
    }
    constants = {name: value for name, value in chosen.items() if name not in ("name", "learning_rate")}
    matrices = [parameter for parameter in network.parameters() if parameter.dim() == 2]
    vectors = [parameter for parameter in network.parameters() if parameter.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = makers[str(chosen["name"])](groups, lr=chosen.get("learning_rate", 0.001), foreach=False, **constants)
    for epoch in (1, 2):
        order = row_order(7, epoch, 40)
        for rows in (order[:16], order[16:32], order[32:]):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(network(data.features[rows]), data.targets[rows]))
            optimizer.step()
    return weights(network)


def test_max_norm_holds_after_every_step() -> None:
    run = begin(
        spec(dense(8, max_norm=0.5), dense(3), {"type": "activation", "function": "softmax"}),
        class_rows(40),
        settings(),
    )
    bounded = run.network.layers[0]
    assert isinstance(bounded, DenseModule)
    for _ in train(run):
        assert float(bounded.weight.detach().norm(dim=1).max()) <= 0.5 * (1 + 1e-5)


def test_gradients_are_clipped_to_their_norm() -> None:
    run = begin(spec(*PLAIN, *CLASSES), class_rows(40), settings(gradient_clip_norm=1e-3))
    for event in train(run):
        if isinstance(event, Step) and event.phase == "training":
            gradients = [parameter.grad.flatten() for parameter in run.parameters if parameter.grad is not None]
            assert float(torch.cat(gradients).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_a_schedule_moves_the_learning_rate_and_reports_it() -> None:
    run = begin(spec(*PLAIN, *CLASSES), class_rows(64), settings(schedule="cosine", epochs=4))
    rates = [report.learning_rate for report in reports(run)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.02 * 0.001
    assert run.optimizer.param_groups[0]["lr"] == rates[-1]

"""Dropout drops what it says, where it says, and only in training."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.domain.training.build import build
from app.domain.training.masks import Position, dropout_mask, gaussian_noise, row_order
from tests.training.cases import CLASSES, DROPOUT, INPUTS, dropout, spec

LARGE = torch.Size((2**11, 2**11))


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.5 + 1 / 512, 0.9, 0.999])
def test_a_mask_drops_exactly_its_rate_and_keeps_the_mean(rate: float) -> None:
    mask = dropout_mask(Position(seed=1), 0, LARGE, rate)
    error = math.sqrt(rate * (1 - rate) / LARGE.numel())
    # Five standard errors, a tenth of what a rate rounded to 256 steps would miss by.
    assert float((mask == 0).to(torch.float64).mean()) == pytest.approx(rate, abs=5 * error)
    assert float(mask.to(torch.float64).mean()) == pytest.approx(1, abs=5 * error / (1 - rate))
    assert set(mask[:4].flatten().tolist()) <= {0, torch.tensor(1 / (1 - rate)).item()}


def test_the_first_eight_bits_do_not_decide_alone() -> None:
    # Rates within one step of 1/256 give masks that differ, by as much as the rates do.
    few, many = (dropout_mask(Position(seed=1), 0, LARGE, 0.5 + part / 256) == 0 for part in (0.25, 0.75))
    assert float((many ^ few).to(torch.float64).mean()) == pytest.approx(0.5 / 256, rel=0.05)


@given(rate=st.floats(0, 1, exclude_max=True), rows=st.integers(1, 9), width=st.integers(1, 9))
def test_every_rate_and_shape_gives_a_mask(rate: float, rows: int, width: int) -> None:
    mask = dropout_mask(Position(seed=2**53 - 1), 3, torch.Size((rows, width)), rate)
    assert mask.shape == (rows, width)
    assert mask.dtype == torch.float32
    assert not mask.isnan().any()


def test_a_mask_is_a_function_of_its_position_alone() -> None:
    shape = torch.Size((8, 64))
    first = dropout_mask(Position(seed=1, epoch=2, step=3), 4, shape, 0.5)
    again = Position(seed=1, epoch=2, step=3)
    dropout_mask(again, 5, shape, 0.5)
    torch.manual_seed(0)
    assert torch.equal(dropout_mask(again, 4, shape, 0.5), first)
    others = [Position(9, 2, 3), Position(1, 9, 3), Position(1, 2, 9), Position(1 + 2**32, 2, 3)]
    assert not any(torch.equal(dropout_mask(other, 4, shape, 0.5), first) for other in others)
    assert not torch.equal(dropout_mask(again, 9, shape, 0.5), first)


def test_masks_of_neighbouring_positions_are_unrelated() -> None:
    shape = torch.Size((1000, 1000))
    one = dropout_mask(Position(seed=1, step=3), 4, shape, 0.5) > 0
    for other in (
        dropout_mask(Position(seed=1, step=4), 4, shape, 0.5),
        dropout_mask(Position(1, 1, 3), 5, shape, 0.5),
    ):
        assert float((one == (other > 0)).to(torch.float64).mean()) == pytest.approx(0.5, abs=0.0025)


def test_noise_has_its_deviation() -> None:
    noise = gaussian_noise(Position(seed=1), 0, LARGE, 0.25)
    assert float(noise.mean()) == pytest.approx(0, abs=5 * 0.25 / 2**11)
    assert float(noise.std()) == pytest.approx(0.25, rel=0.002)


def test_an_order_is_a_permutation_of_its_own_for_each_epoch() -> None:
    orders = [row_order(7, epoch, 50) for epoch in (1, 2)]
    assert all(sorted(order.tolist()) == list(range(50)) for order in orders)
    assert not torch.equal(*orders)
    assert torch.equal(orders[0], row_order(7, 1, 50))


@pytest.mark.parametrize("layer", [dropout(0.5), {"type": "gaussian_noise", "stddev": 1.0}])
def test_dropout_and_noise_are_off_in_eval_mode(layer: dict[str, object]) -> None:
    module = build(spec(layer, *CLASSES), 0).layers[0]
    rows = torch.randn(4, INPUTS)
    module.eval()
    assert torch.equal(module(rows), rows)
    module.train()
    assert not torch.equal(module(rows), rows)


def test_dropout_gradients_pass_where_values_passed() -> None:
    module = build(spec(dropout(0.5), *CLASSES), 0).layers[0]
    rows = torch.ones(4, INPUTS, requires_grad=True)
    kept = module(rows)
    kept.sum().backward()
    assert torch.equal(rows.grad if rows.grad is not None else rows, kept.detach())


def test_dropout_leaves_its_input_as_it_was() -> None:
    network = build(spec(*DROPOUT, *CLASSES), 0)
    rows = torch.ones(4, INPUTS)
    network(rows)
    assert torch.equal(rows, torch.ones(4, INPUTS))

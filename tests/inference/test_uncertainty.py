"""Uncertainty: the formulas of Gal & Ghahramani, row by row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.inference.uncertainty import uncertainty


@st.composite
def answered(draw: st.DrawFn) -> NDArray[np.float32]:
    """Probabilities of some rows, passes and classes, certain ones among them."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 4)))
    weights = draw(st.lists(st.integers(0, 5), min_size=math.prod(shape), max_size=math.prod(shape)))
    numbers = np.array(weights, np.float64).reshape(shape)
    numbers[..., 0] += numbers.sum(axis=-1) == 0
    shares: NDArray[np.float64] = numbers / numbers.sum(axis=-1, keepdims=True)
    return shares.astype(np.float32)


def entropy(probabilities: list[float]) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0)


@settings(deadline=None)
@given(answered())
def test_it_is_what_the_formulas_say(passes: NDArray[np.float32]) -> None:
    found = uncertainty(passes, classes=True)
    assert found.samples == passes.shape[1]
    assert found.predictive_entropy is not None
    assert found.mutual_information is not None
    for row, drawn in enumerate(passes.astype(np.float64)):
        mean = drawn.mean(axis=0)
        total, within = entropy(mean.tolist()), float(np.mean([entropy(one.tolist()) for one in drawn]))
        np.testing.assert_allclose(found.mean[row], mean, atol=1e-7)
        np.testing.assert_allclose(found.standard_deviation[row], drawn.std(axis=0), atol=1e-7)
        assert found.predictive_entropy[row] == pytest.approx(total, abs=1e-6)
        assert found.mutual_information[row] == pytest.approx(max(0, total - within), abs=1e-6)
        assert 0 <= found.mutual_information[row] <= found.predictive_entropy[row]


@settings(deadline=None, max_examples=50)
@given(answered())
def test_a_row_is_summed_up_to_the_same_bits_alone(passes: NDArray[np.float32]) -> None:
    together = uncertainty(passes, classes=True)
    alone = [uncertainty(passes[row : row + 1], classes=True) for row in range(len(passes))]
    for name in ("mean", "standard_deviation", "predictive_entropy", "mutual_information"):
        one_by_one = np.concatenate([getattr(one, name) for one in alone])
        assert getattr(together, name).tobytes() == one_by_one.tobytes()


def test_passes_that_agree_leave_no_doubt_about_the_network() -> None:
    found = uncertainty(np.full((1, 50, 2), 0.5, np.float32), classes=True)
    assert found.predictive_entropy == pytest.approx([math.log(2)])
    assert found.mutual_information == pytest.approx([0])
    assert not found.standard_deviation.any()
    torn = uncertainty(np.array([[[1, 0], [0, 1]]], np.float32), classes=True)
    assert torn.mutual_information == pytest.approx([math.log(2)])


def test_a_number_has_a_deviation_and_no_entropy() -> None:
    found = uncertainty(np.array([[[1e6], [1e6 + 1]]], np.float32), classes=False)
    assert (found.mean.item(), found.standard_deviation.item()) == (1e6 + 0.5, 0.5)
    assert (found.predictive_entropy, found.mutual_information) == (None, None)

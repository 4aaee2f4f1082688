"""Masks of Monte Carlo dropout: where they come from, and that they are what dropout wants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.inference.dropout_masks import DropoutMasks, Place, mixed

WORD = 2**64


def mixed_by_hand(word: int) -> int:
    """SplitMix64's next answer from the state `word`, in whole numbers."""
    z = (word + 0x9E3779B97F4A7C15) % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def drawn_by_hand(seed: int, number: int, place: Place) -> list[float]:
    """The mask of one dropout in pass `number`, unit by unit."""
    of_pass = mixed_by_hand((mixed_by_hand(seed) + number) % WORD)
    values = []
    for unit in range(place.units):
        word = mixed_by_hand((of_pass + mixed_by_hand((place.layer << 32) + unit // 2)) % WORD)
        bits = word >> 32 if unit % 2 else word % 2**32
        values.append(0.0 if bits < round(place.rate * 2**32) else 1 / (1 - place.rate))
    return values


def test_the_words_are_those_of_splitmix64() -> None:
    # The first answers of the generator begun with 1234567, as its authors' program gives them.
    states = np.array([1234567, 1234567 + 0x9E3779B97F4A7C15], np.uint64)
    assert mixed(states).tolist() == [6457827717110365317, 3203168211198807973]


@given(st.integers(0, WORD - 1), st.integers(0, 2000), st.integers(1, 7), st.integers(0, 199), st.floats(0, 0.99))
def test_a_mask_is_a_function_of_seed_pass_layer_and_unit(
    seed: int, first: int, units: int, layer: int, rate: float
) -> None:
    places = (Place(layer, (units,), rate), Place(layer + 1, (3, 2), 0.25))
    one, other = DropoutMasks(places).draw(seed, first, 3)
    for number in range(3):
        np.testing.assert_allclose(one[number], drawn_by_hand(seed, first + number, places[0]), rtol=1e-6)
        np.testing.assert_allclose(other[number].ravel(), drawn_by_hand(seed, first + number, places[1]), rtol=1e-6)


def test_passes_have_the_same_masks_whatever_else_is_drawn() -> None:
    wide, narrow = Place(0, (12_288,), 0.3), Place(3, (5,), 0.5)
    together = DropoutMasks((wide, narrow)).draw(7, 0, 9)
    alone = DropoutMasks((narrow,)).draw(7, 4, 2)
    assert np.array_equal(together[1][4:6], alone[0])
    assert not np.array_equal(together[1], DropoutMasks((narrow,)).draw(8, 0, 9)[0])


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_the_rate_is_dropped_everywhere_and_the_mean_stays_one(rate: float) -> None:
    (masks,) = DropoutMasks((Place(2, (1000,), rate),)).draw(1, 0, 1000)
    kept = masks > 0
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(kept.mean() - (1 - rate)) < 5 * deviation / 1000
    for share in (kept.mean(axis=0), kept.mean(axis=1)):
        assert np.abs(share - (1 - rate)).max() < 5.5 * deviation / np.sqrt(1000)
    assert masks.mean() == pytest.approx(1, abs=5 * deviation / (1 - rate) / 1000)
    assert np.unique(masks).tolist() == [0, np.float32(1 / (1 - rate))]


def test_passes_units_layers_and_seeds_are_independent() -> None:
    places = (Place(1, (400,), 0.5), Place(2, (400,), 0.5))
    one, other = (mask - 1 for mask in DropoutMasks(places).draw(3, 0, 400))
    another = DropoutMasks(places).draw(4, 0, 400)[0] - 1
    bound = 5.5 / np.sqrt(400)
    between_passes, between_units = one @ one.T / 400, one.T @ one / 400
    for correlations in (between_passes, between_units):
        assert np.abs(correlations - np.eye(400)).max() < bound
    for stranger in (other, another):
        assert abs((one * stranger).mean()) < 5 / 400
        assert np.abs(one @ stranger.T / 400).max() < bound

"""Splits: seeded, stratified, complete."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.data.split import split

fractions = st.floats(0.001, 0.999)
seeds = st.integers(0, 2**53 - 1)


@given(st.lists(st.integers(-1, 5), min_size=1, max_size=80), fractions, seeds, st.booleans())
def test_every_row_is_on_exactly_one_side_and_both_are_sorted(
    codes: list[int], fraction: float, seed: int, stratify: bool
) -> None:
    training, validation = split(np.array(codes), fraction, seed, stratify=stratify)
    assert training.dtype == validation.dtype == np.int64
    assert sorted([*training, *validation]) == list(range(len(codes)))
    assert list(training) == sorted(training)
    assert list(validation) == sorted(validation)
    assert len(training) > 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), fractions, seeds)
def test_a_class_of_two_rows_or_more_is_on_both_sides_and_a_single_row_is_trained_on(
    codes: list[int], fraction: float, seed: int
) -> None:
    target = np.array(codes)
    training, validation = split(target, fraction, seed, stratify=True)
    for label, count in Counter(codes).items():
        held = int((target[validation] == label).sum())
        assert held + int((target[training] == label).sum()) == count
        assert (1 <= held <= count - 1) if count > 1 else held == 0


@given(st.integers(2, 200), fractions, seeds)
def test_a_plain_split_holds_the_fraction_to_within_half_a_row(rows: int, fraction: float, seed: int) -> None:
    _, validation = split(np.zeros(rows), fraction, seed, stratify=False)
    assert len(validation) == max(1, min(rows - 1, int(rows * fraction + 0.5)))


def test_one_seed_gives_one_split_and_another_seed_another() -> None:
    target = np.arange(400) % 3
    first, again, other = (split(target, 0.2, seed, stratify=True)[1] for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("stratify", [True, False])
def test_a_single_row_is_trained_on(stratify: bool) -> None:
    training, validation = split(np.zeros(1), 0.9, 0, stratify=stratify)
    assert (len(training), len(validation)) == (1, 0)

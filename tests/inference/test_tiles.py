"""Tiles: fixed in size, padded with zeros, and a function of the spec."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.inference.tiles import TILE_ROWS, WIDE_TILE_ROWS, Floats, answer_in_tiles, multiplications, tile_rows
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task


def spec(inputs: tuple[int, ...], *units: int) -> NetworkSpec:
    layers = [{"type": "dense", "units": count} for count in units]
    flat = [{"type": "flatten"}] if len(inputs) > 1 else []
    built = NetworkSpec.model_validate({"layers": [*layers[:-1], *flat, layers[-1]]})
    return built.resolved(inputs, Task.CLASSIFICATION, units[-1])


@given(st.integers(0, 70), st.integers(1, 33))
def test_every_call_sees_one_whole_tile_and_every_row_is_answered_in_its_place(rows: int, tile: int) -> None:
    seen: list[Floats] = []

    def execute(block: Floats) -> Floats:
        seen.append(block.copy())
        doubled: Floats = block.sum(axis=1, keepdims=True) * 2
        return doubled

    features = np.arange(1, rows * 3 + 1, dtype=np.float32).reshape(rows, 3)
    answers = answer_in_tiles(execute, features, tile, outputs=1)
    assert np.array_equal(answers, features.sum(axis=1, keepdims=True) * 2)
    assert all(len(block) == tile for block in seen)
    assert len(seen) == -(-rows // tile)
    if rows % tile:
        assert not seen[-1][rows % tile :].any()


@pytest.mark.parametrize(
    ("inputs", "units", "expected"),
    [
        ((30,), (64, 64, 2), TILE_ROWS),
        ((784,), (256, 256, 10), WIDE_TILE_ROWS),
        ((12_288,), (16, 32, 64, 3), WIDE_TILE_ROWS),
    ],
)
def test_narrow_networks_get_wide_tiles_and_wide_networks_narrow_ones(
    inputs: tuple[int, ...], units: tuple[int, ...], expected: int
) -> None:
    assert tile_rows(spec(inputs, *units)) == expected


def test_a_dense_layer_multiplies_at_every_place_of_its_input() -> None:
    assert multiplications(spec((30,), 64, 64, 2)) == 30 * 64 + 64 * 64 + 64 * 2
    assert multiplications(spec((5, 4), 7, 3)) == 5 * 4 * 7 + 5 * 7 * 3

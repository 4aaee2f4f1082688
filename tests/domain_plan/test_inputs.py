"""The input shape that a network gets from a dataset."""

import numpy as np
import pytest

from app.domain.data.columns import Columns
from app.domain.data.schema import ColumnType
from app.domain.plan.inputs import DEFAULT_SIDE, input_shape_for
from app.errors import InvalidNetwork
from tests.data.tables import pictures, table
from tests.domain_plan.forms import FLATTEN, Form, dense, dropout, network

TABLE = table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["a", "b"]))


def of_sizes(*sizes: tuple[int, int]) -> Columns:
    images = [np.zeros((height, width, 3), np.uint8) for height, width in sizes]
    return pictures(images, [str(index % 2) for index in range(len(images))])


@pytest.mark.parametrize(
    ("layers", "given", "sizes", "expected"),
    [
        ([dense()], None, [(8, 8), (8, 8)], (192,)),
        ([dropout(), dense()], None, [(8, 8), (8, 8)], (192,)),
        ([FLATTEN, dense()], None, [(8, 6), (8, 6)], (8, 6, 3)),
        ([FLATTEN, dense()], None, [(8, 6), (6, 8)], (DEFAULT_SIDE, DEFAULT_SIDE, 3)),
        ([dense()], None, [(8, 6), (8, 6)], (DEFAULT_SIDE**2 * 3,)),
        ([dense()], (192,), [(5, 7), (9, 9)], (192,)),
        ([FLATTEN, dense()], (16, 12, 3), [(5, 7), (9, 9)], (16, 12, 3)),
    ],
)
def test_pictures_get_the_shape_that_was_asked_for_or_their_own(
    layers: list[Form], given: tuple[int, ...] | None, sizes: list[tuple[int, int]], expected: tuple[int, ...]
) -> None:
    columns = of_sizes(*sizes)
    assert input_shape_for(network(*layers, shape=given), columns.schema, columns.shapes) == expected


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((191,), "input_shape_invalid"),
        ((8, 8), "input_shape_mismatch"),
        ((8, 8, 1), "input_shape_mismatch"),
        ((3, 8, 8), "input_shape_mismatch"),
    ],
)
def test_a_shape_that_no_picture_has_is_refused(given: tuple[int, ...], code: str) -> None:
    columns = of_sizes((8, 8), (8, 8))
    with pytest.raises(InvalidNetwork) as caught:
        input_shape_for(network(FLATTEN, dense(), shape=given), columns.schema, columns.shapes)
    assert caught.value.code == code


@pytest.mark.parametrize("given", [None, (7,)])
def test_a_table_gives_its_encoded_width(given: tuple[int, ...] | None) -> None:
    assert input_shape_for(network(dense(), shape=given), TABLE.schema, TABLE.shapes, 7) == (7,)


@pytest.mark.parametrize("given", [(8,), (7, 1), (1, 1, 7)])
def test_another_width_than_a_tables_is_refused(given: tuple[int, ...]) -> None:
    with pytest.raises(InvalidNetwork, match="rows of this dataset have 7 values once encoded"):
        input_shape_for(network(dense(), shape=given), TABLE.schema, TABLE.shapes, 7)

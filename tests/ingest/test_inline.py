"""Rows sent in a request's body."""

import json

import pytest

from app.domain.data.schema import ColumnType
from app.errors import InvalidDataset, TooLarge
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker

NAME = "rows.json"


def test_rows_are_read_as_a_csv_files_are(take: Taker) -> None:
    rows = [
        {"size": 1.5, "fresh": True, "kind": "red", "day": "2020-01-01", "label": 0},
        {"size": None, "fresh": False, "kind": "?", "day": None, "label": 1},
        {"size": 2, "fresh": None, "kind": "blue", "day": "2020-01-02", "label": 1, "extra": 7},
    ]
    taken = take(json.dumps(rows), NAME, target="label")
    assert [column.type for column in taken.schema.features] == [
        ColumnType.NUMERIC,
        ColumnType.BOOLEAN,
        ColumnType.CATEGORICAL,
        ColumnType.DATE,
        ColumnType.NUMERIC,
    ]
    assert taken.values("size") == [1.5, None, 2.0]
    assert taken.values("fresh") == [1.0, 0.0, None]
    assert taken.values("kind") == ["red", None, "blue"]
    assert taken.values("extra") == [None, None, 7.0]
    assert taken.schema.classes == ("0", "1")


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_nested_values_are_refused_by_row_and_column(refused: Refused, value: object) -> None:
    error = refused(json.dumps([{"x": 1, "y": "a"}, {"x": value, "y": "b"}]), NAME)
    assert error.errors[0].pointer == "/rows/2/x"


@pytest.mark.parametrize("cell", ["1e39", "-1e999", "9" * 5_000])
def test_numbers_beyond_float32_are_refused_by_row_and_column(refused: Refused, cell: str) -> None:
    error = refused(f'[{{"x": 1, "y": "a"}}, {{"x": {cell}, "y": "b"}}]', NAME)
    assert error.errors[0].pointer == "/rows/2/x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[1, 2]",
        '[{"x": 1, "y": 2}',
        '[{"x": NaN, "y": 1}, {"x": 2, "y": 2}]',
        '[{"x": Infinity, "y": 1}, {"x": 2, "y": 2}]',
        '[{"x": 1, "x": 2, "y": 1}, {"x": 2, "y": 2}]',
        '[{"x": "\\ud800", "y": 1}, {"x": 2, "y": 2}]',
        '[{"\\ud800": 1, "y": 1}, {"\\ud800": 2, "y": 2}]',
        "[" * 100_000,
        "[]",
        '[{"x": 1, "y": 2}]',
        '[{"x": 1}, {"x": 2}]',
        '[{"": 1, "y": 2}, {"": 2, "y": 3}]',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_list_of_rows_is_refused(refused: Refused, text: str | bytes) -> None:
    assert isinstance(refused(text, NAME), InvalidDataset)


def test_too_much_is_refused(refused: Refused) -> None:
    assert isinstance(refused(json.dumps([{"x": 1, "y": 2}] * 100), NAME, limits=Limits(inline_bytes=100)), TooLarge)
    wide = {f"c{place}": place for place in range(5_000)}
    assert isinstance(refused(json.dumps([wide, wide]), NAME), TooLarge)

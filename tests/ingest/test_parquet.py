"""Parquet files are read as typed."""

import datetime
import io
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from app.domain.data.schema import ColumnRequest, ColumnType, Task
from app.errors import DropnormError, InvalidDataset, TooLarge
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker

NAME = "table.parquet"


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """A Parquet file of these columns."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


COLUMNS: dict[str, Any] = {
    "whole": pa.array([1, None, 3], pa.int16()),
    "float": pa.array([0.5, float("nan"), 2.5], pa.float32()),
    "money": pa.array([Decimal("1.25"), None, Decimal("-3.50")]),
    "flag": pa.array([True, False, None]),
    "word": ["red", "NA", " red"],
    "coded": pa.array(["p", "q", "p"]).dictionary_encode(),
    "day": pa.array([datetime.date(1970, 1, 2), None, datetime.date(2020, 1, 1)]),
    "moment": pa.array([0, 1_500, None], pa.timestamp("ms", tz="Europe/Paris")),
    "digits": ["1", "2", "1"],
    "y": pa.array([0, 1, 1], pa.int8()),
}


def test_every_type_is_read_as_what_it_is(take: Taker) -> None:
    taken = take(parquet(COLUMNS), NAME)
    types = {column.name: column.type for column in taken.schema.features}
    assert types == {
        "whole": ColumnType.NUMERIC,
        "float": ColumnType.NUMERIC,
        "money": ColumnType.NUMERIC,
        "flag": ColumnType.BOOLEAN,
        "word": ColumnType.CATEGORICAL,
        "coded": ColumnType.CATEGORICAL,
        "day": ColumnType.DATE,
        "moment": ColumnType.DATE,
        "digits": ColumnType.CATEGORICAL,
    }
    assert taken.values("whole") == [1.0, None, 3.0]
    assert taken.values("float") == [0.5, None, 2.5]
    assert taken.values("money") == [1.25, None, -3.5]
    assert taken.values("flag") == [1.0, 0.0, None]
    assert taken.values("word") == ["red", None, "red"]
    assert taken.values("coded") == ["p", "q", "p"]
    assert taken.values("day") == [86_400.0, None, 1_577_836_800.0]
    assert taken.values("moment") == [0.0, 1.5, None]
    assert taken.values("digits") == ["1", "2", "1"]
    assert taken.feature("flag").categories == ("false", "true")
    assert taken.schema.classes == ("0", "1")


def test_row_groups_follow_one_another(take: Taker) -> None:
    values = np.random.default_rng(2).normal(size=5_000)
    words = [f"w{place % 7}" for place in range(5_000)]
    taken = take(parquet({"x": values, "w": words, "y": values * 2}, row_group_size=700), NAME)
    assert taken.schema.task is Task.REGRESSION
    np.testing.assert_array_equal(taken.columns.numbers, np.column_stack([values, values * 2]))
    assert taken.values("w") == words


def test_names_with_dots_are_names(take: Taker) -> None:
    assert take(parquet({"a.b": [1.5, 2.5], "a": [1.5, 3.5], "y": ["p", "q"]}), NAME).names == ["a.b", "a"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2], [3]]),
        pa.array([{"a": 1}, {"a": 2}, {"a": 3}]),
        pa.array([b"a", b"b", b"c"]),
        pa.array([1, 2, 3], pa.duration("s")),
        pa.array([1, 2, 3], pa.time32("s")),
    ],
)
def test_nested_and_other_types_are_refused_by_name_unless_ignored(take: Taker, refused: Refused, column: Any) -> None:
    data = parquet({"odd": column, "x": [1.5, 2.5, 3.5], "y": ["a", "b", "a"]})
    error = refused(data, NAME)
    assert error.errors[0].pointer == "/columns/odd"
    assert take(data, NAME, columns={"odd": ColumnRequest(role="ignore")}).names == ["x"]


@pytest.mark.parametrize("bad", [float("inf"), -float("inf"), 1e39])
def test_infinite_numbers_are_refused_by_row_and_column(refused: Refused, bad: float) -> None:
    values = [1.5] * 3_000 + [bad]
    data = parquet({"x": values, "y": ["a", "b", "a"] * 1_000 + ["a"]}, row_group_size=1_000)
    assert refused(data, NAME).errors[0].pointer == "/rows/3001/x"


def test_a_type_that_is_asked_for_is_held_to(take: Taker, refused: Refused) -> None:
    data = parquet(COLUMNS)
    taken = take(
        data, NAME, columns={"digits": ColumnRequest(type="numeric"), "whole": ColumnRequest(type="categorical")}
    )
    assert taken.values("digits") == [1.0, 2.0, 1.0]
    assert taken.values("whole") == ["1", None, "3"]
    assert refused(data, NAME, columns={"word": ColumnRequest(type="numeric")}).errors[0].pointer == "/rows/1/word"


def test_a_float_target_of_few_whole_numbers_is_one_of_classes(take: Taker) -> None:
    assert take(parquet({"x": [1.5, 2.5, 3.5], "y": [0.0, 1.0, 1.0]}), NAME).schema.classes == ("0", "1")


@pytest.mark.parametrize(
    "columns", [{"x": [1.5], "y": ["a"]}, {"x": pa.array([], pa.float64()), "y": pa.array([], pa.string())}]
)
def test_fewer_than_two_rows_are_refused(refused: Refused, columns: dict[str, Any]) -> None:
    assert "fewer than two rows" in refused(parquet(columns), NAME).detail


def test_limits_are_held(refused: Refused) -> None:
    data = parquet({"x": np.arange(100) / 3, "y": np.arange(100) / 7})
    assert isinstance(refused(data, NAME, limits=Limits(rows=99)), TooLarge)
    assert isinstance(refused(data, NAME, limits=Limits(columns=1)), TooLarge)
    assert isinstance(refused(data, NAME, limits=Limits(inflated_bytes=100)), TooLarge)


@pytest.mark.parametrize("footer", [2**32 - 1, 2**31, 10**6, 0, 3])
def test_a_footer_that_lies_about_its_length_is_refused(refused: Refused, footer: int) -> None:
    data = parquet(COLUMNS)
    assert isinstance(refused(data[:-8] + struct.pack("<I", footer) + b"PAR1", NAME), InvalidDataset)


@pytest.mark.parametrize("cut", [10, 100, 500])
def test_truncated_files_are_refused(refused: Refused, cut: int) -> None:
    assert isinstance(refused(parquet(COLUMNS)[:-cut], NAME), InvalidDataset)


def test_columns_of_one_name_are_refused(refused: Refused) -> None:
    buffer = io.BytesIO()
    table = pa.Table.from_arrays(
        [pa.array([1.5, 2.5]), pa.array([1.5, 2.5]), pa.array(["a", "b"])], names=["x", "x", "y"]
    )
    pq.write_table(table, buffer)
    assert "2 columns have this name" in refused(buffer.getvalue(), NAME).detail


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_is_a_named_failure_or_survived(take: Taker, data: st.DataObject) -> None:
    whole = bytearray(parquet(COLUMNS, compression=data.draw(st.sampled_from(["none", "snappy", "gzip"]))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(4, len(whole) - 9))] = data.draw(st.integers(0, 255))
    try:
        take(bytes(whole), NAME)
    except DropnormError:
        return

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.data.cells import is_missing, parse_boolean, parse_date, parse_number
from app.domain.data.schema import ColumnType
from app.ingest import arrow
from app.ingest.convert import numbers, present
from app.ingest.csv_block import CsvReader
from app.ingest.faults import BadCell
from app.ingest.table import Field, Texts

CELLS = st.one_of(
    st.text(alphabet="0123456789.+-eE \t", max_size=12),
    st.text(alphabet="0123456789.+-eE_ \tinfaNxXdk٣٤１,()", max_size=8),
    st.floats(allow_nan=True).map(repr),
    st.integers().map(str),
    st.sampled_from(
        ["inf", "-Infinity", "nan(1)", "-nan", "+NaN", "0x1p3", "1e39", "-1e39", "1e999", "3.4028234663852886e38"]
    ),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        (" 1.5\t", 1.5),
        ("+2", 2.0),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("00123", 123.0),
        ("1E-2", 0.01),
    ],
)
def test_plain_decimal_numbers_are_numbers(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "1_000",
        "١٢",
        "１",
        "inf",
        "-Infinity",
        "nan",
        "0x10",
        "1,5",
        "1e",
        "e5",
        "",
        "--1",
        "1 2",
        "5f",
        "\u00a01",
        "1\n",
    ],
)
def test_whatever_else_float_would_accept_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        parse_number(text)


@pytest.mark.parametrize("text", ["1e39", "-3.5e38", "1e999", "9" * 5000])
def test_what_float32_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"3\.4e38"):
        parse_number(text)


@pytest.mark.parametrize("text", ["", "  ", "NA", " ?", "N/A", "nan ", "NULL", "None", "\tnull"])
def test_known_spellings_are_missing(text: str) -> None:
    assert is_missing(text)


@pytest.mark.parametrize("text", ["0", "none", "na", "-", "missing", "unknown"])
def test_other_spellings_are_values(text: str) -> None:
    assert not is_missing(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), (" No", False), ("Y", True), ("F", False), ("TRUE", True)])
def test_booleans_by_their_words(text: str, value: bool) -> None:
    assert parse_boolean(text) is value


@pytest.mark.parametrize("text", ["0", "1", "", "ja", "truth"])
def test_other_words_are_no_booleans(text: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        parse_boolean(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01", 0.0),
        ("1970/01/02", 86_400.0),
        ("1969-12-31T23:59:59.5", -0.5),
        ("2020-02-29 12:00", datetime(2020, 2, 29, 12, tzinfo=UTC).timestamp()),
        ("2020-01-01T02:00:00+02:00", datetime(2020, 1, 1, tzinfo=UTC).timestamp()),
        ("2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC).timestamp()),
        ("2019-12-31T19:30-0430", datetime(2020, 1, 1, tzinfo=UTC).timestamp()),
    ],
)
def test_dates_are_seconds_since_1970(text: str, value: float) -> None:
    assert parse_date(text) == value


@pytest.mark.parametrize(
    "text",
    ["01/02/2003", "2003", "2021-02-29", "2021-13-01", "2020-1-1", "2020-01-01T25:00", "2020-01/01", "٢٠٢٠-01-01"],
)
def test_ambiguous_and_impossible_dates_are_no_dates(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some are datetime's own
        parse_date(text)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-23 * 60, 23 * 60))  # noqa: DTZ001
def test_every_iso_date_that_python_writes_is_read_back(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    wanted = (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert parse_date(aware.isoformat()) == pytest.approx(wanted, abs=1e-5)


def outcome(text: str) -> float | None:
    """What the cell is by the rules for one cell: its number, or None where it is refused."""
    if is_missing(text):
        return float("nan")
    try:
        return parse_number(text)
    except ValueError:
        return None


def in_an_array(text: str) -> float | None:
    """What becomes of the cell in an array of cells; None where it is refused."""
    try:
        return float(numbers(arrow.column([text]), "x")[0])
    except BadCell:
        return None


def in_a_file(text: str) -> float | None:
    """What becomes of the cell in a block of CSV records; None where it is refused."""
    reader = CsvReader(["x", "y"], ";", 100)
    fields = [Field("x", ColumnType.NUMERIC), Field("y", ColumnType.CATEGORICAL)]
    try:
        values, _ = reader.parts(f'"{text}";word\n1;word\n'.encode(), fields)
    except BadCell as error:
        return None if (error.index, error.column) == (0, "x") else math.inf
    assert not isinstance(values, Texts)
    return float(values[0])


@given(CELLS)
@example("1.7976931348623157e308")
@example("-0")
@example("nan(1)")
@example("  NA   ")
def test_many_cells_at_a_time_are_read_as_one_is(text: str) -> None:
    wanted = outcome(text)
    np.testing.assert_equal(in_an_array(text), wanted)
    np.testing.assert_equal(in_a_file(text), wanted)


@given(st.lists(st.text(alphabet=" \tNA?naul/<>#x\u00a0é\n", max_size=6), min_size=1))
def test_missing_cells_are_the_same_ones_many_at_a_time(texts: list[str]) -> None:
    assert [text is None for text in arrow.texts(present(arrow.column(texts)))] == [is_missing(text) for text in texts]

"""Rows sent for a prediction: read as ingest reads, encoded as in training, refused by row and column."""

import csv
import io
from datetime import UTC, datetime
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.data.encoder import Encoder
from app.domain.data.features import fit
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import MOST_UNSEEN_VALUES, InputReporter, RawRows
from app.domain.data.rows import RowReader
from app.domain.data.schema import MISSING, UNSEEN, ColumnType
from app.domain.data.stored import encode_columns
from app.errors import InvalidRows
from tests.data.tables import penguins, table

FITTED = fit(penguins(), np.arange(10))
NAMES = ("bill_length_mm", "tagged", "island", "seen", "year")
Rows = list[dict[str, object]]


def numeric(width: int) -> Preprocessing:
    columns = table({f"x{i}": (ColumnType.NUMERIC, [1.0, 2.0]) for i in range(width)}, ("y", ["a", "b"]))
    return fit(columns, np.arange(2))


def as_sent() -> Rows:
    """The rows of `penguins()`, as a client would write them."""
    columns = penguins()
    island = columns.schema.features[2].categories
    rows: Rows = []
    for numbers, code in zip(columns.numbers.tolist(), columns.codes[:, 0].tolist(), strict=True):
        length, tagged, seen, year = (None if cell != cell else cell for cell in numbers)
        rows.append(
            {
                "bill_length_mm": length,
                "tagged": None if tagged is None else bool(tagged),
                "island": None if code == MISSING else island[code],
                "seen": None if seen is None else datetime.fromtimestamp(seen, UTC).isoformat(),
                "year": year,
            }
        )
    return rows


def as_csv(rows: Rows) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, NAMES)
    writer.writeheader()
    spelled: dict[object, str] = {None: "NA", True: "yes", False: "no"}
    writer.writerows(
        {name: spelled[v] if v is None or isinstance(v, bool) else v for name, v in row.items()} for row in rows
    )
    return out.getvalue()


def encode(raw: RawRows) -> bytes:
    return Encoder(FITTED).encode(raw.numbers, raw.codes).tobytes()


def test_a_row_sent_as_json_or_csv_is_encoded_as_in_training_bit_for_bit() -> None:
    columns, reader = penguins(), RowReader(FITTED)
    in_training = encode_columns(FITTED, columns, np.arange(12)).tobytes()
    by_name = reader.of_instances(as_sent())
    assert encode(by_name) == in_training
    assert encode(reader.of_instances([[row[name] for name in NAMES] for row in as_sent()])) == in_training
    assert encode(reader.of_csv(as_csv(as_sent()))) == in_training
    assert encode(reader.of_columns({name: [row[name] for row in as_sent()] for name in NAMES})) == in_training


def test_a_key_left_out_is_a_null_and_the_target_may_stand_in_a_row() -> None:
    reader = RowReader(FITTED)
    left_out = reader.of_instances([{"year": 2007, "species": "Adelie"}])
    null = reader.of_instances([{**dict.fromkeys(NAMES), "year": 2007}])
    assert encode(left_out) == encode(null)


def test_columns_of_csv_stand_in_any_order_and_the_target_is_passed_over() -> None:
    reader = RowReader(FITTED)
    text = "\ufeffspecies,year,island\r\nAdelie, 2007 ,Biscoe\r\n\r\n"
    assert encode(reader.of_csv(text)) == encode(reader.of_instances([{"year": 2007, "island": "Biscoe"}]))


def test_quoted_cells_keep_their_commas_and_line_breaks() -> None:
    raw = RowReader(FITTED).of_csv('island,year\n"Dream, or\nnot",2007\n')
    assert raw.unseen == {"island": {"Dream, or\nnot": 1}}


def test_booleans_are_read_in_every_spelling_ingest_knows() -> None:
    reader = RowReader(FITTED)
    sent = [{"tagged": value} for value in (True, "yes", "Yes", "TRUE", "t", False, "no", "f", "", None)]
    assert np.array_equal(reader.of_instances(sent).numbers[:, 1], [1, 1, 1, 1, 1, 0, 0, 0, nan, nan], equal_nan=True)


def test_numbers_match_categories_that_are_spelled_as_numbers() -> None:
    columns = table({"grade": (ColumnType.CATEGORICAL, ["1", "2.50", "3"])}, ("y", ["a", "b", "a"]))
    reader = RowReader(fit(columns, np.arange(3)))
    raw = reader.of_instances([{"grade": value} for value in (1, 1.0, 2.5, "2.50", 4, "4", " 3 ", "NA")])
    assert raw.codes[:, 0].tolist() == [0, 0, 1, 1, UNSEEN, UNSEEN, 2, MISSING]
    assert raw.unseen == {"grade": {"4": 2}}


def test_a_known_category_is_not_a_missing_value_however_it_is_spelled() -> None:
    columns = table({"c": (ColumnType.CATEGORICAL, ["NA", "EU"])}, ("y", ["a", "b"]))
    raw = RowReader(fit(columns, np.arange(2))).of_csv("c\nNA\n?\n")
    assert raw.codes[:, 0].tolist() == [1, MISSING]


Bad = tuple[object, str, str]
BAD_VALUES: list[Bad] = [
    ("39.1", "bill_length_mm", "must be a number"),
    (True, "bill_length_mm", "must be a number"),
    ([1], "bill_length_mm", "must be a number"),
    ({}, "bill_length_mm", "must be a number"),
    (nan, "bill_length_mm", "finite"),
    (inf, "bill_length_mm", "finite"),
    (-inf, "bill_length_mm", "finite"),
    (3.5e38, "bill_length_mm", "float32"),
    (10**400, "bill_length_mm", "float32"),
    (1, "tagged", "true or false"),
    ("perhaps", "tagged", "true or false"),
    (7, "island", "must be text"),
    (True, "island", "must be text"),
    (["Biscoe"], "island", "must be text"),
    (1_700_000_000, "seen", "ISO 8601"),
    ("01/02/2003", "seen", "not a date"),
    ("2023-02-30", "seen", "day"),
]


@pytest.mark.parametrize(("value", "column", "message"), BAD_VALUES)
def test_a_value_that_does_not_fit_its_column_is_refused_by_row_and_column(
    value: object, column: str, message: str
) -> None:
    with pytest.raises(InvalidRows, match=message) as caught:
        RowReader(FITTED).of_instances([{"year": 2007}, {"year": 2007, column: value}])
    assert [error.pointer for error in caught.value.errors] == [f"/instances/1/{column}"]
    assert caught.value.code == "value_invalid"


@pytest.mark.parametrize("value", [nan, inf, 3.5e38, 10**400, "1", True])
def test_a_table_of_numbers_refuses_them_too(value: object) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(numeric(3)).of_instances([[1, None, 2.5], [1, 2, value]])
    assert [error.pointer for error in caught.value.errors] == ["/instances/1/x2"]


def test_all_that_is_wrong_is_named_at_once_up_to_twenty_values() -> None:
    with pytest.raises(InvalidRows, match="29 more") as caught:
        RowReader(FITTED).of_instances([{"year": "no"}] * 30)
    assert len(caught.value.errors) == 20


def test_a_name_with_a_slash_is_escaped_in_its_pointer() -> None:
    columns = table({"a/b~c": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["a", "b"]))
    with pytest.raises(InvalidRows) as caught:
        RowReader(fit(columns, np.arange(2))).of_instances([{"a/b~c": "x"}])
    assert caught.value.errors[0].pointer == "/instances/0/a~1b~0c"


BAD_INSTANCES: list[tuple[object, str, str]] = [
    ([], "instances_empty", "/instances"),
    ({}, "instances_empty", "/instances"),
    (None, "instances_empty", "/instances"),
    ("rows", "instances_empty", "/instances"),
    ([{"year": 1}, [1, 2, 3, 4, 5]], "instances_mixed", "/instances"),
    ([1, 2], "instances_mixed", "/instances"),
    ([None], "instances_mixed", "/instances"),
    ([{"year": 1}, {}], "rows_invalid", "/instances/1"),
    ([{"year": 1}, {"yaer": 1}], "column_unknown", "/instances/1/yaer"),
    ([[None] * 5, [None] * 4], "row_width_mismatch", "/instances/1"),
    ([[None] * 6], "row_width_mismatch", "/instances/0"),
]


@pytest.mark.parametrize(("instances", "code", "where"), BAD_INSTANCES)
def test_instances_of_another_form_are_refused(instances: object, code: str, where: str) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(FITTED).of_instances(instances)
    assert (caught.value.code, caught.value.errors[0].pointer) == (code, where)


def test_a_wrong_width_is_told_with_what_was_expected_and_received() -> None:
    with pytest.raises(InvalidRows, match="row 0 has 2 values; the model has 3 columns"):
        RowReader(numeric(3)).of_instances([[1, 2]])


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "rows_invalid", "none of the model's columns"),
        ("species\nAdelie\n", "rows_invalid", "none of the model's columns"),
        ("year,island\n", "instances_empty", "no rows"),
        ("year,colour\n1,red\n", "column_unknown", "'colour' is no column"),
        ("year,year\n1,2\n", "column_repeated", "'year' stands more than once"),
        ("year,island\n2007,Biscoe\n2007\n", "row_width_mismatch", "line 3 has 1 cells; the header has 2"),
        ("year,island\n2007,Biscoe,1\n", "row_width_mismatch", "line 2 has 3 cells"),
        ("year,island\n2007,Bi\0scoe\n", "csv_invalid", "line 2 holds a NUL"),
        ('year,island\n2007,"Biscoe\n', "csv_invalid", "line 2"),
        ('year,island\n2007,"Bis"coe\n', "csv_invalid", "line 2"),
        ("year\ntwo thousand\n", "value_invalid", "/rows/0/year not a number"),
        ("year\n1e999\n", "value_invalid", "/rows/0/year"),
        ("year\ninf\n", "value_invalid", "/rows/0/year not a number"),
        ("seen\n31.01.2024\n", "value_invalid", "/rows/0/seen not a date"),
        ("tagged\nperhaps\n", "value_invalid", "/rows/0/tagged not true or false"),
    ],
)
def test_csv_that_cannot_be_read_is_refused_with_its_place(text: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRows, match=message) as caught:
        RowReader(FITTED).of_csv(text)
    assert caught.value.code == code


@given(st.text(alphabet='year,island\n\r"\0 1a;', max_size=60))
def test_no_text_breaks_the_csv_reader(text: str) -> None:
    try:
        raw = RowReader(FITTED).of_csv(text)
    except InvalidRows:
        return
    assert len(raw) > 0


def test_an_array_of_numbers_is_taken_in_feature_order() -> None:
    reader = RowReader(numeric(3))
    rows = np.array([[1, 2, 3], [4, 5, 6]])
    for dtype in (np.float32, np.float64, np.uint8, np.int64):
        raw = reader.of_array(rows.astype(dtype))
        assert np.array_equal(raw.numbers, reader.of_instances(rows.tolist()).numbers)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4)), r"received float64 \[2, 4\]"),
        (np.zeros(3), r"\[rows, 3\]"),
        (np.zeros((0, 3)), r"\[rows, 3\]"),
        (np.zeros((1, 3), bool), "bool"),
        (np.zeros((1, 3), complex), "complex"),
        (np.array([["a", "b", "c"]]), "<U1"),
        (np.array([[0.0, nan, 0.0]]), "/rows/0/x1"),
        (np.array([[0.0, 0.0, inf]]), "/rows/0/x2"),
        (np.array([[0.0, 0.0, 1e39]]), "float32"),
    ],
)
def test_any_other_array_is_refused(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], message: str) -> None:
    with pytest.raises(InvalidRows, match=message):
        RowReader(numeric(3)).of_array(array)


def test_an_array_is_refused_where_columns_are_no_numbers() -> None:
    with pytest.raises(InvalidRows, match="by column name"):
        RowReader(FITTED).of_array(np.zeros((1, 5)))


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({}, "instances_empty"),
        ({"year": []}, "instances_empty"),
        ({"year": [1, 2], "island": ["a"]}, "row_width_mismatch"),
        ({"yaer": [1]}, "column_unknown"),
    ],
)
def test_columns_that_make_no_rows_are_refused(columns: dict[str, list[object]], code: str) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(FITTED).of_columns(columns)
    assert caught.value.code == code


def test_the_report_counts_what_was_imputed_unseen_or_out_of_range() -> None:
    raw = RowReader(FITTED).of_instances(
        [
            {"bill_length_mm": 34.1, "island": "Dream", "year": 2007, "tagged": True, "seen": "1970-01-01T12:00"},
            {"bill_length_mm": 99.0, "island": "Dream", "year": 2008, "seen": "1960-01-01"},
            {"bill_length_mm": 34.0, "island": "Anvers", "year": 2007},
            {"island": None, "year": 2007},
        ]
    )
    report = InputReporter(FITTED).report(raw)
    assert report.imputed == {"bill_length_mm": 1, "tagged": 3, "seen": 2, "island": 1}
    assert report.unseen_categories == {"island": {"Dream": 2, "Anvers": 1}}
    assert report.out_of_range == {"bill_length_mm": 2, "seen": 1, "year": 1}


def test_a_column_absent_from_csv_is_reported_as_imputed_in_every_row() -> None:
    report = InputReporter(FITTED).report(RowReader(FITTED).of_csv("year\n2007\n2007\n"))
    assert report.imputed == dict.fromkeys(("bill_length_mm", "tagged", "seen", "island"), 2)


def test_a_report_names_the_most_frequent_unseen_values_only() -> None:
    rows = [{"island": f"island {i}"} for i in range(40)] + [{"island": "island 39"}]
    unseen = InputReporter(FITTED).report(RowReader(FITTED).of_instances(rows)).unseen_categories["island"]
    assert len(unseen) == MOST_UNSEEN_VALUES
    assert next(iter(unseen.items())) == ("island 39", 2)

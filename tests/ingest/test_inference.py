"""What the columns of a text table are taken for."""

import csv
import io
import math
import random
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.data.cells import is_missing, stripped
from app.domain.data.schema import OTHER, ColumnRequest, ColumnType
from app.errors import InvalidDataset
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker

FEATURE = ColumnRequest(role="feature")


def table(name: str, cells: list[str]) -> str:
    """A CSV file with one feature and a target of two classes."""
    return f"{name},kind\n" + "".join(f'"{cell}",{"ab"[row % 2]}\n' for row, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "2.5", " -3e2 ", "NA", ""], ColumnType.NUMERIC),
        (["true", "False", "?", "TRUE"], ColumnType.BOOLEAN),
        (["yes", "no", "yes"], ColumnType.BOOLEAN),
        (["T", "F", "F"], ColumnType.BOOLEAN),
        (["F", "F", "F"], ColumnType.CATEGORICAL),
        (["2020-01-01", "2020/12/31", "2020-06-01T10:00:00+02:00"], ColumnType.DATE),
        (["01/02/2003", "02/02/2003", "02/02/2003"], ColumnType.CATEGORICAL),
        (["00123", "00124", "12000"], ColumnType.CATEGORICAL),
        (["0", "1", "0"], ColumnType.NUMERIC),
        (["red", "green", "red"], ColumnType.CATEGORICAL),
        (["1", "2", "three"], ColumnType.CATEGORICAL),
    ],
)
def test_a_columns_type(take: Taker, cells: list[str], type_: ColumnType) -> None:
    assert take(table("x", cells)).feature("x").type is type_


def test_missing_cells_are_counted_and_stored_as_missing(take: Taker) -> None:
    taken = take(
        "n,c,b,d,kind\n1.5,red,yes,2020-01-01,a\nNA, ?,?,,b\n  ,  null ,no, nan ,a\n2.5,red,yes,2020-01-02,b\n"
    )
    assert [column.missing for column in taken.schema.features] == [2, 2, 1, 2]
    assert taken.values("n") == [1.5, None, None, 2.5]
    assert taken.values("c") == ["red", None, None, "red"]
    assert taken.values("b") == [1.0, None, 0.0, 1.0]
    assert taken.values("d") == [1_577_836_800.0, None, None, 1_577_923_200.0]


def test_categories_lose_their_blanks(take: Taker) -> None:
    taken = take("c,kind\n State-gov, a\nState-gov ,a \n Private,b\n")
    assert taken.feature("c").categories == ("State-gov", "Private")
    assert taken.feature("c").counts == (2, 1)
    assert taken.schema.classes == ("a", "b")


def test_a_booleans_spellings_are_kept_false_first(take: Taker) -> None:
    column = take(table("x", ["Yes", "No", "Yes", "yes"])).feature("x")
    assert column.categories == ("No", "Yes")
    assert column.counts == (1, 3)


def test_statistics_of_numbers(take: Taker) -> None:
    column = take("x,kind\n1,a\n2,b\n,a\n3,b\n6,a\n").feature("x")
    assert (column.minimum, column.maximum, column.mean, column.missing) == (1.0, 6.0, 3.0, 1)
    assert column.deviation == pytest.approx(math.sqrt(3.5), rel=1e-15)


def test_large_numbers_with_small_spread_keep_their_deviation(take: Taker) -> None:
    rows = [1e15 + place % 2 for place in range(1000)]
    assert take(table("x", [f"{value:.0f}" for value in rows])).feature("x").deviation == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("cell", ["oops", "1_000", "١٢", "0x10", "inf", "-Infinity", "nan(1)", "1,5"])
def test_a_cell_that_is_no_number_among_numbers_is_named(refused: Refused, cell: str) -> None:
    for few in ([], [f"{row}.5" for row in range(37)]) if cell not in ("oops", "0x10", "nan(1)") else ():
        assert refused(table("price", ["1.5", *few, "2.5", cell])).errors[0].pointer == f"/rows/{len(few) + 3}/price"
    error = refused(table("price", [f"{row}.5" for row in range(40)] + [cell]))
    assert f"Row 41, column 'price': expected a number, received '{cell}'" in error.detail
    assert '"type": "categorical"' in error.detail
    assert (error.errors[0].pointer, error.errors[0].received) == ("/rows/41/price", cell)


@pytest.mark.parametrize("cell", ["1e39", "-1e39", "1e999"])
def test_a_number_that_float32_cannot_hold_is_named(refused: Refused, cell: str) -> None:
    error = refused(table("price", ["1.5", cell, "2.5"]))
    assert f"Row 2, column 'price': expected a magnitude up to 3.4e38, received '{cell}'" in error.detail


def test_decimal_commas_are_refused_rather_than_read_as_words(refused: Refused) -> None:
    assert "received '1,5'" in refused("price;kind\n1,5;a\n2,5;b\n").detail


def test_such_a_column_is_taken_as_categories_where_that_is_asked_for(take: Taker) -> None:
    text = table("price", [f"{row % 7}.5" for row in range(40)] + ["oops"])
    taken = take(text, columns={"price": ColumnRequest(type="categorical")})
    assert "oops" in taken.feature("price").categories


def test_it_is_not_looked_at_where_it_is_ignored(take: Taker) -> None:
    text = "x,price,kind\n" + "".join(f"{row % 3},{row}.5,{'ab'[row % 2]}\n" for row in range(40)) + "1,oops,a\n"
    assert take(text, columns={"price": ColumnRequest(role="ignore")}).names == ["x"]


def test_a_later_cell_that_does_not_fit_is_named_by_its_row_in_the_file(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ingest.csv_table.BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr("app.ingest.csv_table.SAMPLE_BYTES", 1 << 13)
    text = "x,day,kind\n" + "".join(f"{row}.5,2020-01-01,{'ab'[row % 2]}\n" for row in range(5_000))
    for cells, pointer in (
        ("oops,2020-01-01,a", "/rows/5001/x"),
        ("inf,2020-01-01,a", "/rows/5001/x"),
        ("1.5,yesterday,a", "/rows/5001/day"),
        ("1.5,2020-01-01", "/rows/5001"),
        ("1.5,2020-01-01,\0", "/rows/5001"),
        ('1.5,2020-01-01,"', "/rows/5001"),
        ("1.5,2020-01-01," + "b" * 10_000, "/rows/5001"),
    ):
        error = refused(f"{text}{cells}\n1.5,2020-01-01,a\n", limits=Limits(header_bytes=64))
        assert "5001" in error.detail
        assert not error.errors or error.errors[0].pointer.startswith(pointer)


CELL = st.text(alphabet='ab,;"\n\r N/A?é\t', max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELL, min_size=2, max_size=40), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_every_table_that_python_writes_is_read_back_cell_by_cell(
    take: Taker, monkeypatch: pytest.MonkeyPatch, cells: list[str], quoting: Literal[0, 1]
) -> None:
    monkeypatch.setattr("app.ingest.csv_table.BLOCK_BYTES", 64)
    monkeypatch.setattr("app.ingest.csv_table.SAMPLE_BYTES", 128)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=quoting)
    writer.writerows([("x", "n", "y"), *((cell, row / 2, "pq"[row % 2]) for row, cell in enumerate(cells))])
    taken = take(buffer.getvalue(), limits=Limits(header_bytes=32), columns={"x": ColumnRequest(type="categorical")})
    assert taken.values("n") == [row / 2 for row in range(len(cells))]
    if "x" in taken.names:
        assert taken.values("x") == [None if is_missing(cell) else stripped(cell) for cell in cells]
    else:
        assert all(is_missing(cell) for cell in cells[:2])


def test_identifiers_are_left_out(take: Taker) -> None:
    lines = [f"{row},{row + 1},{5000 - row * 7},user-{row},{row % 5},{'ab'[row % 2]}\n" for row in range(100)]
    taken = take("from0,from1,id,user,x,kind\n" + "".join(lines))
    assert taken.names == ["x"]
    assert taken.codes.count("identifier_left_out") == 4
    assert '"role": "feature"' in taken.schema.warnings[0].message


def test_identifiers_are_taken_where_that_is_asked_for(take: Taker) -> None:
    lines = [f"{row},user-{row},{row % 5},{'ab'[row % 2]}\n" for row in range(100)]
    asked = {"number": FEATURE, "user": FEATURE}
    assert take("number,user,x,kind\n" + "".join(lines), columns=asked).names == ["number", "user", "x"]


def test_distinct_numbers_that_do_not_count_rows_are_kept(take: Taker) -> None:
    values = random.Random(3).sample(range(10_000), 100)
    assert take(table("price", [str(value) for value in values])).names == ["price"]


def test_in_a_few_rows_distinct_values_prove_nothing(take: Taker) -> None:
    assert take("n,name,kind\n1,ann,a\n2,bob,b\n3,cy,a\n").names == ["n", "name"]


def test_free_text_is_left_out(take: Taker) -> None:
    source = random.Random(5)
    lines = [
        f'"{" ".join(source.choices(["wine", "oak", "red", "fruit"], k=14))}",{row % 5},{"ab"[row % 2]}\n'
        for row in range(60)
    ]
    taken = take("review,x,kind\n" + "".join(lines))
    assert taken.names == ["x"]
    assert "free_text_left_out" in taken.codes


def test_columns_without_values_are_left_out(take: Taker) -> None:
    taken = take("empty,x,kind\n,1,a\nNA,2,b\n")
    assert taken.names == ["x"]
    assert "empty_column" in taken.codes


def test_no_feature_left_is_refused_with_the_reason(refused: Refused) -> None:
    error = refused(table("user", [f"user-{row}" for row in range(50)]))
    assert "No feature is left" in error.detail
    assert "looks like an identifier" in error.detail


def test_rare_categories_are_folded(take: Taker) -> None:
    cells = [f"c{place:03d}" for place in range(300) for _ in range(2 + (place < 200))]
    taken = take(table("x", cells))
    column = taken.feature("x")
    assert len(column.categories) == 201
    assert column.categories[-1] == OTHER
    assert column.counts[-1] == 200
    assert set(column.counts[:-1]) == {3}
    assert column.categories[:2] == ("c000", "c001")
    assert taken.values("x").count(OTHER) == 200
    assert "categories_folded" in taken.codes


def test_a_hundred_thousand_categories_are_taken_where_asked_for(take: Taker) -> None:
    cells = [f"c{place}" for place in range(100_000)] + ["often"] * 10
    column = take(table("x", cells), columns={"x": FEATURE}).feature("x")
    assert column.categories[0] == "often"
    assert column.counts[-1] == 100_010 - sum(column.counts[:-1])


def test_texts_beyond_what_may_be_held_count_as_others(take: Taker) -> None:
    cells = [f"c{place}" for place in range(1_000)]
    taken = take(table("x", cells), columns={"x": FEATURE}, limits=Limits(distinct_values=300))
    column = taken.feature("x")
    assert sum(column.counts) == 1_000
    assert column.counts[-1] == 800
    assert taken.schema.classes == ("a", "b")


def test_a_category_that_is_spelled_like_the_others_joins_them(take: Taker) -> None:
    cells = [OTHER] * 5 + [f"c{place:03d}" for place in range(300) for _ in range(2)]
    column = take(table("x", cells)).feature("x")
    assert column.categories.count(OTHER) == 1
    assert sum(column.counts) == len(cells)


def test_categories_too_long_to_be_shown_are_refused(refused: Refused) -> None:
    cells = ["x" * 2_000, "y"] * 10
    error = refused(table("x", cells), columns={"x": FEATURE})
    assert isinstance(error, InvalidDataset)
    assert error.errors[0].pointer == "/rows/1/x"


def test_numbers_are_stored_row_by_row(take: Taker) -> None:
    taken = take("a,b,c,y\n1,10,x,0.5\n2,20,y,1.5\n3,30,x,2.5\n")
    np.testing.assert_array_equal(taken.columns.numbers, [[1, 10, 0.5], [2, 20, 1.5], [3, 30, 2.5]])
    np.testing.assert_array_equal(taken.columns.codes, [[0], [1], [0]])
    assert [column.place for column in (*taken.schema.features, taken.schema.target)] == [0, 1, 0, 2]


def test_thousands_of_columns_bring_a_few_warnings(take: Taker) -> None:
    names = ",".join(f"c{place}" for place in range(300))
    taken = take(f"{names},y\n" + "".join(f"{'1,' * 300}{label}\n" for label in "abab"))
    assert taken.codes.count("constant_column") == 21
    assert any("280 more columns" in warning.message for warning in taken.schema.warnings)

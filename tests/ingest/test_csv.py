"""How CSV text may be written, and what is said where it is not."""

import gzip

import numpy as np
import pytest

from app.errors import InvalidDataset, TooLarge, UnsupportedType
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker

ROWS = "size,kind\n1.5,a\n2.5,b\n3.5,a\n"


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_the_separator_is_found(take: Taker, separator: str, ending: str) -> None:
    taken = take(ROWS.replace(",", separator), f"table{ending}")
    assert taken.values("size") == [1.5, 2.5, 3.5]
    assert taken.values("kind") == ["a", "b", "a"]


def test_a_separator_within_cells_is_not_taken_for_it(take: Taker) -> None:
    taken = take("note;size;kind\n1,2,3;1.5;a\n4,5,6;2.5;b\n")
    assert taken.names == ["note", "size"]
    assert taken.values("note") == ["1,2,3", "4,5,6"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_line_end_is_read(take: Taker, line_end: str, last: bool) -> None:
    text = ROWS if last else ROWS.removesuffix("\n")
    assert take(text.replace("\n", line_end)).values("size") == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(take: Taker, encoding: str) -> None:
    taken = take("größe,kind\n1.5,ü\n2.5,日本\n".encode(encoding))
    assert taken.names == ["größe"]
    assert taken.schema.classes == ("ü", "日本")


def test_utf_16_of_both_byte_orders(take: Taker) -> None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert take(mark + ROWS.encode(encoding)).values("size") == [1.5, 2.5, 3.5]


def test_utf_16_that_breaks_off_is_refused(refused: Refused) -> None:
    assert "UTF-16-LE near byte" in refused(b"\xff\xfe" + ROWS.encode("utf-16-le")[:-1]).detail


def test_utf_32_is_refused(refused: Refused) -> None:
    assert "UTF-32" in refused(ROWS.encode("utf-32")).detail


def test_other_encodings_are_refused_with_the_row(refused: Refused) -> None:
    error = refused("size,kind\n1.5,a\n2.5,café\n".encode("latin-1"))
    assert error.detail == "Row 2: expected text in UTF-8, received the byte 0xe9."
    assert error.errors[0].pointer == "/rows/2"


def test_a_header_in_another_encoding_is_refused(refused: Refused) -> None:
    assert "header is not UTF-8: byte 3 is 0xf6" in refused("grö,kind\n1,a\n2,b\n".encode("latin-1")).detail


def test_quoted_separators_newlines_and_quotes(take: Taker) -> None:
    taken = take('note,kind\n"a, b","x\ny"\n"say ""hi""",z\n"a, b",z\n')
    assert taken.values("note") == ["a, b", 'say "hi"', "a, b"]
    assert taken.schema.classes == ("x\ny", "z")


def test_a_quote_within_a_cell_is_a_character(take: Taker) -> None:
    assert take('pipe,kind\n5" pipe,a\n6" pipe,b\n5" pipe,b\n').values("pipe") == ['5" pipe', '6" pipe', '5" pipe']


@pytest.mark.parametrize(("row", "width"), [("2.5", 1), ("2.5,b,c", 3)])
def test_ragged_rows_are_refused_with_both_counts(refused: Refused, row: str, width: int) -> None:
    error = refused(f"size,kind\n1.5,a\n{row}\n3.5,a\n")
    assert error.detail.startswith(f"Row 2: expected 2 cells, received {width}")
    assert error.errors[0].pointer == "/rows/2"


def test_blank_lines_are_no_rows(take: Taker, refused: Refused) -> None:
    assert take("\n\nsize,kind\n\n1.5,a\n\n2.5,b\n\n").schema.rows == 2
    assert refused("size,kind\n\n1.5,a\n\n2.5\n").detail.startswith("Row 2:")


def test_a_nul_byte_is_refused_with_its_row(refused: Refused) -> None:
    assert refused('size,kind\n1.5,"a\nb"\n2.5,b\0\n').detail == "Row 2: expected text, received a NUL byte."
    assert "NUL byte in the header" in refused(ROWS.encode("utf-16-le")).detail


def test_an_open_quote_is_refused_with_its_row(refused: Refused) -> None:
    assert refused('size,kind\n1.5,a\n2.5,"b\n3.5,a\n').detail.startswith("Row 2: expected a quote that is closed")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a,a,kind", "'a': 2 columns have this name"),
        ("a,,kind", "column 2 has no name"),
        (",,kind", "column 2 has no name"),
    ],
)
def test_names_must_be_given_once(refused: Refused, header: str, said: str) -> None:
    assert said in refused(f"{header}\n1,2,x\n3,4,y\n").detail


def test_a_duplicate_name_is_pointed_at(refused: Refused) -> None:
    assert refused("a/b,a/b,kind\n1,2,x\n3,4,y\n").errors[0].pointer == "/columns/a~1b"


def test_one_unnamed_first_column_is_a_row_index(take: Taker) -> None:
    taken = take(",size,kind\n0,1.5,a\n1,2.5,b\n")
    assert taken.names == ["size"]
    assert "index_left_out" in taken.codes


@pytest.mark.parametrize("text", ["size,kind", "size,kind\n", "size,kind\n1,a\n", "size,kind\n\n\n"])
def test_fewer_than_two_rows_are_refused(refused: Refused, text: str) -> None:
    assert isinstance(refused(text), InvalidDataset)


def test_one_column_is_refused(refused: Refused) -> None:
    assert "has one column" in refused("size\n1\n2\n").detail


def test_too_many_columns_are_refused(refused: Refused) -> None:
    for width in (5_000, 1_000_000):
        error = refused(",".join(f"c{place}" for place in range(width)) + "\n1,2\n3,4\n")
        assert isinstance(error, TooLarge)
        assert "column" in error.detail


def test_4096_columns_are_taken(take: Taker) -> None:
    values = np.arange(3 * 4_096).reshape(3, 4_096) / 8
    lines = [",".join(f"c{place}" for place in range(4_096)), *(",".join(map(str, row)) for row in values.tolist())]
    taken = take("\n".join(lines), target="c4095", task="regression")
    np.testing.assert_array_equal(taken.columns.numbers, values)


@pytest.mark.parametrize("size", [1_500_000, 10_000_000, 20_000_000])
def test_a_huge_cell_is_refused_with_its_row(refused: Refused, size: int) -> None:
    error = refused("size,kind\n1.5,a\n2.5," + "b" * size + "\n3.5,a\n")
    assert isinstance(error, TooLarge)
    assert error.detail.startswith("Row 2")


def test_too_many_rows_are_refused(refused: Refused) -> None:
    assert isinstance(refused(ROWS, limits=Limits(rows=2)), TooLarge)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x80\x04\x95abc", "a Python pickle"),
        (b"\x1f\x8b\x08....", "a gzip file"),
        (b"PAR1....PAR1", "a Parquet file"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    ],
)
def test_other_formats_named_csv_are_refused(refused: Refused, data: bytes, what: str) -> None:
    assert what in refused(data).detail


@pytest.mark.parametrize(
    "name",
    ["data.xlsx", "data", "data.pkl", "../../etc/passwd", "my-rows.json", "data.csv.exe", "x.csv\0.exe", "x.\ud800"],
)
def test_unknown_endings_are_refused_by_what_is_accepted(refused: Refused, name: str) -> None:
    error = refused(ROWS, name)
    assert isinstance(error, UnsupportedType)
    assert ".parquet" in error.detail
    assert error.detail.isascii()


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.CSV", "x" * 5_000 + ".csv", "a\0b.csv", "C:\\x.csv"])
def test_only_the_ending_of_a_name_counts(take: Taker, name: str) -> None:
    assert take(ROWS, name).schema.rows == 3


def test_gzip_of_one_member_or_several(take: Taker) -> None:
    assert take(gzip.compress(ROWS.encode()), "table.csv.gz").values("size") == [1.5, 2.5, 3.5]
    parts = gzip.compress(ROWS[:20].encode()) + gzip.compress(ROWS[20:].encode()) + b"\0" * 64
    assert take(parts, "table.csv.gz").values("size") == [1.5, 2.5, 3.5]


def test_tabs_in_gzip(take: Taker) -> None:
    assert take(gzip.compress(ROWS.replace(",", "\t").encode()), "table.tsv.gz").names == ["size"]


@pytest.mark.parametrize("cut", [-1, -8, -12, 15])
def test_truncated_gzip_is_refused(refused: Refused, cut: int) -> None:
    assert "truncated" in refused(gzip.compress(ROWS.encode())[:cut], "table.csv.gz").detail


def test_damaged_gzip_is_refused(refused: Refused) -> None:
    data = bytearray(gzip.compress(ROWS.encode()))
    data[-6] ^= 0xFF
    assert "damaged" in refused(bytes(data), "table.csv.gz").detail
    assert "damaged" in refused(gzip.compress(ROWS.encode()) + b"more", "table.csv.gz").detail


def test_gzip_that_unpacks_to_too_much_is_refused(refused: Refused) -> None:
    data = gzip.compress(b"size,kind\n" + b"1.5,a\n" * 500_000)
    assert isinstance(refused(data, "table.csv.gz", limits=Limits(inflated_bytes=1 << 20)), TooLarge)


def test_a_gzip_bomb_is_refused_by_its_ratio(refused: Refused) -> None:
    data = gzip.compress(b"size,kind\n" + b"1.5," + b"a" * 80_000_000, 1)
    assert isinstance(refused(data, "table.csv.gz"), TooLarge)

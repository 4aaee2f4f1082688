"""T11: CSV files as they should not be. Refused naming the row and the column, or handled as the manual says."""

import time
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.attacks.conftest import Memory
from tests.attacks.uploads import send
from tests.service import accepted

Json = dict[str, Any]
MEGABYTE = 1 << 20


def table(*extra: str, header: str = "x,colour,y", rows: int = 30) -> str:
    lines = [f"{index}.5,{'red' if index % 2 else 'blue'},{'a' if index % 3 else 'b'}" for index in range(rows)]
    return "\n".join([header, *lines, *extra]) + "\n"


def gone(api: httpx.Client, made: Json) -> None:
    assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204


REFUSED = {
    # what is wrong: the file, and words of which one must stand in the refusal
    "empty": (b"", ("empty",)),
    "only spaces": (b"  \n \n", ("row", "header", "empty")),
    "header only": (b"x,y\n", ("row",)),
    "one row": (b"x,y\n1.5,a\n", ("row",)),
    "duplicate names": (table(header="x,x,y").encode(), ("x",)),
    "empty name": (table(header="x,,y").encode(), ("name", "column")),
    "ragged, short": (table("1.5,red").encode(), ("31", "32")),
    "ragged, long": (table("1.5,red,a,9").encode(), ("31", "32")),
    "NUL": (table("1.5,r\0d,a").encode(), ("NUL",)),
    "unclosed quote": (table('1.5,"red,a').encode(), ("quot", "row")),
    "one class": (b"x,y\n" + b"".join(b"%d.5,a\n" % index for index in range(30)), ("class",)),
    "one column": (b"y\n" + b"a\nb\n" * 20, ("feature", "column")),
    "target missing everywhere": (b"x,y\n" + b"".join(b"%d.5,\n" % index for index in range(30)), ("y",)),
    "too wide a field": (table(f"1.5,{'r' * 10_000_000},a").encode(), ("colour", "bytes")),
    "too many columns": (",".join(f"c{index}" for index in range(1_000_000)).encode() + b"\n1\n2\n", ("columns",)),
    "too many classes": (
        b"x,y\n" + b"".join(b"%d.5,c%d\n" % (index, index // 2) for index in range(100_000)),
        ("class",),
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(200), ("PNG",)),
    "a PDF": (b"%PDF-1.7\n" + bytes(200), ("PDF",)),
    "not a text": (b"x,y\n" + bytes(range(128, 256)) * 50, ("UTF-8", "text", "decode", "encod")),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_horror_is_refused_in_words_that_find_it(api: httpx.Client, memory: Memory, kind: str) -> None:
    content, words = REFUSED[kind]
    begin = time.monotonic()
    document = expect_problem(send(api, content, "x.csv"), (413, 422))
    assert any(word in document["detail"] for word in words), document["detail"]
    assert time.monotonic() - begin < 30
    assert memory.grown() < 80 * MEGABYTE


@pytest.mark.parametrize("cell", ["1_000", "١٢٣", "inf", "-inf", "Infinity", "1e999", "1e39", "0x10", "12abc"])
def test_a_cell_that_is_no_number_is_named_where_numbers_are_asked_for(api: httpx.Client, cell: str) -> None:
    content = table(f"{cell},red,a").encode()
    document = expect_problem(send(api, content, "x.csv", columns='{"x": {"type": "numeric"}}'), 422)
    assert document["errors"][0]["pointer"].endswith("/x")
    assert "31" in document["detail"] or "32" in document["detail"]


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "null"])
def test_a_cell_without_a_value_is_missing(api: httpx.Client, cell: str) -> None:
    made = accepted(send(api, table(f"{cell},red,a", f",{cell},b").encode(), "x.csv"))
    missing = {feature["name"]: feature["missing"] for feature in made["features"]}
    assert missing == {"x": 2, "colour": 1}
    gone(api, made)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")],
)
def test_a_byte_order_mark_is_read_past(api: httpx.Client, encoding: str, mark: str) -> None:
    made = accepted(send(api, (mark + table("1.5,grün,a")).encode(encoding), "x.csv"))
    assert [feature["name"] for feature in made["features"]] == ["x", "colour"]
    assert "grün" in made["features"][1]["categories"]
    gone(api, made)


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_lines_end_as_they_will(api: httpx.Client, ending: str) -> None:
    answer = send(api, table().replace("\n", ending).encode(), "x.csv")
    made = accepted(answer)
    assert made["rows"] == 30
    gone(api, made)


def test_a_quoted_cell_holds_what_separates(api: httpx.Client) -> None:
    made = accepted(send(api, table('1.5,"a, ""b""\nc",a', '2.5,"a, ""b""\nc",a').encode(), "x.csv"))
    assert 'a, "b"\nc' in made["features"][1]["categories"]
    gone(api, made)


def test_a_constant_column_and_a_rare_class_are_warned_of(api: httpx.Client) -> None:
    rows = "".join(f"{index}.5,7.5,{'a' if index else 'b'}\n" for index in range(30))
    made = accepted(send(api, f"x,same,y\n{rows}".encode(), "x.csv"))
    codes = {warning["code"] for warning in made["warnings"]}
    assert any("constant" in code for code in codes), codes
    assert any("class" in code or "rare" in code for code in codes), codes
    gone(api, made)


def test_the_most_frequent_of_many_categories_are_kept(api: httpx.Client, memory: Memory) -> None:
    rows = "".join(f"c{index},c{index % 7},{'a' if index % 3 else 'b'}\n" for index in range(100_000))
    content = f"many,few,y\n{rows}".encode()
    made = accepted(send(api, content, "x.csv", columns='{"many": {"type": "categorical"}}'))
    [many] = [feature for feature in made["features"] if feature["name"] == "many"]
    assert len(many["categories"]) == 201
    assert memory.grown() < 80 * MEGABYTE
    gone(api, made)


def test_a_label_that_was_never_seen_is_no_validation(api: httpx.Client) -> None:
    known = accepted(send(api, table().encode(), "x.csv"))
    other = accepted(send(api, table("1.5,red,never seen", "2.5,red,never seen").encode(), "x.csv"))
    body = {
        "dataset": known["id"],
        "network": {"layers": [{"type": "dense"}]},
        "training": {"validation": {"dataset": other["id"]}},
    }
    document = expect_problem(api.post("/api/v1/runs/check", json=body), 422)
    assert "never seen" in document["detail"]
    gone(api, known)
    gone(api, other)


def test_names_and_cells_of_markup_are_texts_like_any_other(api: httpx.Client) -> None:
    mark = "<img src=x onerror=alert(1)>"
    content = table(f"1.5,{mark},a", f"2.5,{mark},b", header=f"x,{mark},y").encode()
    answer = send(api, content, "x.csv")
    made = strict_json(answer)
    assert answer.headers["content-type"] == "application/json"
    assert made["features"][1]["name"] == mark
    gone(api, made)

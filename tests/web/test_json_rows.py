"""The short ways to read JSON answer what the strict reader reads, or leave it to that."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Malformed
from app.web.json_rows import JsonRows, document
from app.web.strict_json import read_json

NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
WIDTH = 3
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(st.lists(st.lists(NUMBERS, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=5))
def test_rows_of_numbers_are_what_python_reads_bit_for_bit(rows: list[list[float]]) -> None:
    found = JsonRows().numbers(json.dumps({"instances": rows}).encode(), WIDTH)
    if found is not None:
        expected = np.array([[float(value) for value in row] for row in rows])
        assert found.tobytes() == expected.tobytes()
    elif all(abs(value) < 1e30 for row in rows for value in row):
        # Only an integer past 64 bits is left to the other reader, of what float32 holds.
        assert any(isinstance(value, int) and not -(2**63) <= value < 2**64 for row in rows for value in row)


@given(VALUES, st.booleans())
def test_whatever_is_read_the_short_way_the_strict_reader_reads_the_same(value: object, twice: bool) -> None:
    body = json.dumps({"instances": value}).encode()
    if twice:
        body = body[:-1] + b', "instances": [[1, 2, 3]]}'
    strict: object
    try:
        strict = read_json(body)
    except Malformed:
        strict = None
    numbers, rows = JsonRows().numbers(body, WIDTH), document(body)
    if rows is not None and isinstance(rows["instances"], list) and _is_flat(rows["instances"]):
        assert rows == strict
    if numbers is not None:
        assert isinstance(strict, dict)
        assert np.array(strict["instances"], np.float64).tobytes() == numbers.tobytes()


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[1, [2], 3]]}',
        b'{"instances": [[1, 2, 3], [4, 5]]}',
        b'{"instances": [[1, 2, 3, 4]]}',
        b'{"instances": [1, 2, 3]}',
        b'{"instances": []}',
        b'{"instances": [[1, 2, null]]}',
        b'{"instances": [[1, 2, true]]}',
        b'{"instances": [[1, 2, "3"]]}',
        b'{"instances": [[1, 2, NaN]]}',
        b'{"instances": [[1, 2, 1e999]]}',
        b'{"instances": [[1, 2, 1e39]]}',
        b'{"instances": [[1, 2, 3]], "instances": [[1, 2, 3]]}',
        b'{"instances": [[1, 2, 3]], "options": {}}',
        b'\xef\xbb\xbf{"instances": [[1, 2, 3]]}',
        b'{"instances": [[1, 2, 3]]} {}',
        b"[[1, 2, 3]]",
        b"",
    ],
)
def test_what_is_not_plainly_rows_of_numbers_is_left_to_the_other_reader(body: bytes) -> None:
    assert JsonRows().numbers(body, WIDTH) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [{"a": 1, "a": 2}]}',
        b'{"instances": [{"a": "\\u0000"}]}',
        b'{"instances": [{"a": "\\ud800"}]}',
        b'{"instances": [{"a": {"b": 1}}]}',
        b'{"instances": [{"a": 1e999}]}',
    ],
)
def test_what_strict_reading_may_refuse_is_left_to_it(body: bytes) -> None:
    assert document(body) is None


def _is_flat(instances: list[object]) -> bool:
    """Rows as the readers of rows accept them: nothing within what stands in a row."""
    rows = [row.values() if isinstance(row, dict) else row if isinstance(row, list) else [row] for row in instances]
    return not any(isinstance(value, dict | list) for row in rows for value in row)


@pytest.mark.parametrize("wide", [b"[1, 2, 3]", b"[[1, 2], 3]", b"[1, [], 3]"])
def test_what_is_wrong_far_inside_a_long_body_is_seen(wide: bytes) -> None:
    rows = b", ".join([b"[1, 2, 3]"] * 800)
    body = b'{"instances": [' + rows + b", " + wide + b", " + rows + b"]}"
    found = JsonRows().numbers(body, WIDTH)
    assert (found is not None) == (wide == b"[1, 2, 3]")
    objects = b", ".join([b'{"a": 1}'] * 800)
    for odd, is_read in ((b'{"a": 2}', True), (b'{"a": 2, "a": 3}', False)):
        assert (document(b'{"instances": [' + objects + b", " + odd + b"]}") is not None) == is_read

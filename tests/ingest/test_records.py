"""Blocks of CSV text end where records end."""

import csv
import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.ingest.profile import Counts, Moments, Room
from app.ingest.records import blocks, record_end
from app.ingest.streams import filled

TEXT = st.text(alphabet='a,"\n\r ', max_size=60)
TABLE = st.lists(st.lists(st.text(alphabet='ab,"\n ', max_size=5), min_size=2, max_size=3), min_size=1, max_size=12)


def records(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def written(table: list[list[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(table)
    return buffer.getvalue().encode()


@given(TABLE, st.integers(1, 80))
def test_no_record_is_cut_and_none_is_lost(table: list[list[str]], size: int) -> None:
    data = written(table)
    pieces = list(blocks(io.BytesIO(data).read, b",", b"\n", size))
    assert b"".join(piece.data for piece in pieces) + data[sum(len(piece.data) for piece in pieces) :] == data
    whole = [piece.data for piece in pieces if not piece.broken]
    seen = [record for piece in whole for record in records(piece.decode())]
    assert seen == records(data.decode())[: len(seen)]
    if not any(piece.broken for piece in pieces):
        assert b"".join(whole) == data


@given(TABLE, st.integers(0, 200))
@example([["a", '"\n'], ["b", "b"]], 7)
def test_a_cut_is_at_the_last_end_of_a_record(table: list[list[str]], length: int) -> None:
    data = written(table)[:length]
    ends = [0]
    for record in table:
        ends.append(ends[-1] + len(written([record])))
    assert record_end(data, b",", b"\n")[0] == max(end for end in ends if end <= len(data))


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_stray_quotes_are_characters(lines: list[str]) -> None:
    data = "".join(f'x"{line.translate({10: None, 13: None, 44: None})},y\n' for line in lines).encode()
    assert record_end(data, b",", b"\n") == (len(data), False)
    assert record_end(data + b'5" pipe', b",", b"\n") == (len(data), False)


def test_a_long_record_and_an_open_quote_are_broken_blocks() -> None:
    long = list(blocks(io.BytesIO(b"a,b\n" + b"x" * 50).read, b",", b"\n", 16))
    assert [(block.data, block.broken) for block in long] == [(b"a,b\n", ""), (b"x" * 28, "long record")]
    opened = list(blocks(io.BytesIO(b'a,b\n1,"x\n2,y\n').read, b",", b"\n", 1_000))
    assert [(block.data, block.broken) for block in opened] == [(b"a,b\n", ""), (b'1,"x\n2,y\n', "open quote")]


@given(st.lists(st.binary(max_size=7)), st.lists(st.integers(1, 9), min_size=1))
def test_chunks_of_any_size_are_read_in_exact_sizes(chunks: list[bytes], sizes: list[int]) -> None:
    read, whole = filled(iter([chunk for chunk in chunks if chunk])), io.BytesIO(b"".join(chunks))
    for size in sizes:
        assert read(size) == whole.read(size)


# Nothing smaller than 1e-100 but zero: the squares of such numbers are zero in float64, here and in any other way.
ORDINARY = st.floats(-3.4e38, 3.4e38).filter(lambda value: value == 0 or abs(value) >= 1e-100)
FLOATS = ORDINARY | st.floats(1e9, 1e9 + 1) | st.just(float("nan"))


@given(st.lists(st.lists(FLOATS, max_size=20), min_size=1, max_size=6))
def test_moments_by_block_are_those_of_the_whole(columns: list[list[float]]) -> None:
    seen = Moments()
    for column in columns:
        seen.add(np.array(column, np.float64))
    whole = np.array([value for column in columns for value in column], np.float64)
    present = whole[~np.isnan(whole)]
    assert (seen.count, seen.missing) == (len(present), len(whole) - len(present))
    if len(present):
        scale = float(np.abs(present).max())
        exact = present.astype(np.longdouble)
        assert (seen.minimum, seen.maximum) == (present.min(), present.max())
        assert seen.mean == pytest.approx(float(exact.mean()), rel=1e-12, abs=1e-14 * scale)
        assert seen.deviation == pytest.approx(float(exact.std()), rel=1e-9, abs=1e-14 * scale)


def test_a_constant_column_has_no_deviation() -> None:
    seen = Moments()
    for _ in range(10):
        seen.add(np.full(1_000, 0.1))
    assert (seen.mean, seen.deviation) == (0.1, 0.0)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=9), max_size=5), st.integers(0, 3))
def test_counts_by_block_are_those_of_the_whole(columns: list[list[str | None]], room: int) -> None:
    counts, shared = Counts(), Room(room, 100)
    placed: list[int] = []
    for column in columns:
        texts = sorted(set(column), key=str)
        codes = np.array([texts.index(text) for text in column], np.int32)
        placed += counts.add(codes, texts, shared).tolist()
    flat = [text for column in columns for text in column]
    assert counts.missing == flat.count(None)
    assert len(counts.places) <= room
    assert dict(counts.by_frequency()) == {text: flat.count(text) for text in counts.places}
    assert counts.overflow == sum(text is not None and text not in counts.places for text in flat)
    names = {place: text for text, place in counts.places.items()}
    assert all(names.get(place) == text for place, text in zip(placed, flat, strict=True) if place != -2)

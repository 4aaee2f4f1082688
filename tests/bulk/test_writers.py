"""Answers as files: the same cells in CSV and Parquet, whatever blocks they come in."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orjson import OPT_SERIALIZE_NUMPY, dumps
from pyarrow import parquet as pq

from app.bulk import parquet_writer
from app.bulk.writers import Format, writer_for
from app.serving.csv_answers import CsvAnswers
from app.serving.printing import Values

LABELS = ("Adelie", 'a "b", c\n', "=1+1", "-1", "\r=1")


def probabilities(rows: int, seed: int = 0) -> Values:
    logits = np.random.default_rng(seed).normal(size=(rows, len(LABELS))) * 20
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: Values = (chances / chances.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


def written(format_: Format, blocks: list[Values], labels: tuple[str, ...] | None, top: int | None = None) -> bytes:
    file = io.BytesIO()
    writer = writer_for(format_, file, labels, probabilities=True, top=top)
    for block in blocks:
        writer.write(block)
    writer.close()
    return file.getvalue()


@given(st.lists(st.integers(0, 50), max_size=4).map(sorted), st.sampled_from([None, 1, 3, 4, 9]))
def test_blocks_make_no_difference(cuts: list[int], top: int | None) -> None:
    values = probabilities(50)
    blocks = [values[start:end] for start, end in pairwise([0, *cuts, 50])]
    assert written(Format.CSV, blocks, LABELS, top) == written(Format.CSV, [values], LABELS, top)


@pytest.mark.parametrize("top", [None, 2])
def test_both_formats_hold_the_same(top: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_writer, "GROUP_VALUES", 64)
    values = probabilities(100)
    lines = list(csv.reader(io.StringIO(written(Format.CSV, [values], LABELS, top).decode(), newline="")))
    file = pq.ParquetFile(io.BytesIO(written(Format.PARQUET, np.array_split(values, 7), LABELS, top)))
    assert file.num_row_groups > 1
    table = file.read()
    assert lines[0] == ["label", "probability", "probability_Adelie", *(f"probability_{name}" for name in LABELS[1:])]
    assert table.column_names == lines[0]
    for line, row in zip(lines[1:], zip(*(column.to_pylist() for column in table.columns), strict=True), strict=True):
        assert line[0].removeprefix("'") == row[0]
        assert [None if cell == "" else np.float32(cell) for cell in line[1:]] == list(row[1:])
        assert sum(cell != "" for cell in line[2:]) == (top or len(LABELS))


def test_a_number_is_written_as_in_json() -> None:
    values = np.array([[1e-8], [1e-5], [0.1], [123456.7], [3.4e38], [1e-45], [-0.0], [7]], np.float32)
    lines = CsvAnswers(None).lines(values).decode().split()
    assert ",".join(lines) == dumps(values[:, 0].copy(), option=OPT_SERIALIZE_NUMPY).decode()[1:-1]
    assert np.array_equal(np.array(lines, np.float32)[:, None], values)


def test_numbers_have_one_column() -> None:
    values = np.arange(5, dtype=np.float32)[:, None]
    assert written(Format.CSV, [values], None) == b"value\r\n0.0\r\n1.0\r\n2.0\r\n3.0\r\n4.0\r\n"
    assert pq.read_table(io.BytesIO(written(Format.PARQUET, [values], None))).to_pydict() == {"value": [0, 1, 2, 3, 4]}


def test_a_formula_is_made_a_text_and_a_number_is_none() -> None:
    assert CsvAnswers(("=1+1", "-1"), probabilities=False).lines(np.eye(2, dtype=np.float32)) == (
        b"'=1+1,1.0\r\n-1,1.0\r\n"
    )


def test_without_rows_there_are_columns() -> None:
    assert written(Format.CSV, [], ("a", "b")) == b"label,probability,probability_a,probability_b\r\n"
    table = pq.read_table(io.BytesIO(written(Format.PARQUET, [], ("a", "b"))))
    assert (table.num_rows, table.column_names) == (0, ["label", "probability", "probability_a", "probability_b"])

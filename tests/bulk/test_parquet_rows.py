"""Parquet files: each column by its feature, whatever type it has in the file."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from app.bulk import parquet_rows
from app.bulk.parquet_rows import parquet_blocks
from app.domain.data.raw import RawRows
from app.domain.data.rows import RowReader
from app.errors import InvalidRows
from tests.bulk.tables import FITTED

ROWS = RowReader(FITTED)
Cells = Sequence[Any]


def read(folder: Path, columns: dict[str, Any], **how: Any) -> RawRows:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path, **how)
    found = [block.raw for block in parquet_blocks(path, FITTED, ROWS)]
    numbers, codes = (np.concatenate([getattr(raw, name) for raw in found]) for name in ("numbers", "codes"))
    return RawRows(numbers, codes, found[0].unseen)


def refused(folder: Path, columns: dict[str, Any]) -> InvalidRows:
    with pytest.raises(InvalidRows) as refusal:
        read(folder, columns)
    return refusal.value


def same(found: RawRows, text: str) -> bool:
    expected = ROWS.of_csv(text)
    return (
        np.array_equal(found.numbers, expected.numbers, equal_nan=True)
        and np.array_equal(found.codes, expected.codes)
        and found.unseen == expected.unseen
    )


def test_columns_of_their_features_types_mean_what_a_csv_of_them_means(tmp_path: Path) -> None:
    columns = {
        "bill_length_mm": pa.array([39.1, None, float("nan")]),
        "tagged": pa.array([True, None, False]),
        "island": pa.array(["Biscoe", "Atlantis", None]).dictionary_encode(),
        "seen": pa.array([datetime(2024, 1, 31, tzinfo=UTC), None, datetime(1999, 12, 31, 12, tzinfo=UTC)]),
        "year": pa.array([2007, 2008, None], pa.int16()),
        "species": pa.array(["Adelie", None, "Gentoo"]),
    }
    text = (
        "bill_length_mm,tagged,island,seen,year\n39.1,true,Biscoe,2024-01-31,2007\n"
        ",,Atlantis,,2008\n,false,,1999-12-31 12:00,\n"
    )
    assert same(read(tmp_path, columns), text)


@pytest.mark.parametrize(
    ("name", "cells", "texts"),
    [
        ("bill_length_mm", pa.array(["39.1", "NA", " 4 "]), ["39.1", "", "4"]),
        ("bill_length_mm", pa.array([Decimal("1.50"), None, Decimal("2")]), ["1.5", "", "2"]),
        ("year", pa.array([None, None, None]), ["", "", ""]),
        ("tagged", pa.array(["yes", "no", None]), ["yes", "no", ""]),
        ("seen", pa.array([date(2024, 1, 31), None, date(2024, 2, 1)]), ["2024-01-31", "", "2024-02-01"]),
        ("seen", pa.array(["2024-01-31", None, "2024/02/01"]), ["2024-01-31", "", "2024-02-01"]),
        ("island", pa.array([1.0, 2.5, None]), ["1", "2.5", ""]),
    ],
)
def test_columns_of_other_types_are_taken_as_texts(tmp_path: Path, name: str, cells: Cells, texts: list[str]) -> None:
    text = f"{name},year\n" + "".join(f"{cell},\n" for cell in texts) if name != "year" else "year,tagged\n,\n,\n,\n"
    other = "tagged" if name == "year" else "year"
    assert same(read(tmp_path, {name: cells, other: pa.nulls(3)}), text)


def test_row_groups_and_batches_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"year": np.arange(1000.0), "island": [("Biscoe", "Dream")[row % 2] for row in range(1000)]}
    whole = read(tmp_path, columns)
    monkeypatch.setattr(parquet_rows, "_BLOCK_CELLS", 100)
    parts = read(tmp_path, columns, row_group_size=70)
    assert np.array_equal(whole.numbers, parts.numbers, equal_nan=True)
    assert np.array_equal(whole.codes, parts.codes)


@pytest.mark.parametrize(
    ("columns", "code", "pointer"),
    [
        ({"year": [2007.0, float("inf")]}, "value_invalid", "/rows/1/year"),
        ({"year": [2007.0, 1e39]}, "value_invalid", "/rows/1/year"),
        ({"year": ["2007", "soon"]}, "value_invalid", "/rows/1/year"),
        ({"year": [2007], "wingspan": [1]}, "column_unknown", "/columns/wingspan"),
        ({"species": ["Adelie"]}, "rows_invalid", ""),
        ({"year": [[1]]}, "rows_invalid", "/columns/year"),
        ({"year": pa.array([], pa.int64())}, "instances_empty", ""),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, columns: dict[str, Any], code: str, pointer: str) -> None:
    refusal = refused(tmp_path, columns)
    assert (refusal.code, refusal.errors[0].pointer) == (code, pointer)


def test_a_row_is_counted_from_the_first_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_BLOCK_CELLS", 10)
    refusal = refused(tmp_path, {"year": ["1"] * 77 + ["soon"]})
    assert refusal.errors[0].pointer == "/rows/77/year"


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:4] + bytes(99) + content[103:]]
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"year": np.arange(1000.0)}), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidRows) as refusal:
        list(parquet_blocks(path, FITTED, ROWS))
    assert refusal.value.code == "parquet_invalid"

"""Rows that neither of two models was trained on: never one of either's training rows, by place or by value."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.data.columns import LAYOUT, Columns
from app.domain.data.features import fit
from app.domain.data.fingerprints import fingerprints
from app.domain.data.schema import ColumnType
from app.domain.plan.preparation import divided
from app.domain.plan.settings import TrainingSettings
from app.errors import Damaged
from app.serving.held_out import Trained, held_out
from app.storage import datasets
from app.storage.datasets import Upload
from app.storage.tables import DatasetRow
from tests.data.tables import pictures, table
from tests.worker.workplace import PROJECT, Workplace

ROWS = 60


def measured(first: int = 0, count: int = ROWS, labels: str = "ab", name: str = "y") -> Columns:
    """Rows number `first` and on of a table that has no two equal rows."""
    numbers = range(first, first + count)
    return table(
        {
            "x": (ColumnType.NUMERIC, [None if number % 9 == 8 else number + 0.5 for number in numbers]),
            "place": (ColumnType.CATEGORICAL, [f"place {number}" for number in numbers]),
        },
        (name, [labels[number % 2] for number in numbers]),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    workplace = Workplace(tmp_path_factory.mktemp("held-out"))
    yield workplace
    workplace.database.close()


def stored(place: Workplace, columns: Columns, content: str) -> DatasetRow:
    """Columns as a dataset of a content of its own."""
    work = place.blobs.incoming()
    for name in LAYOUT:
        (work / f"{name}.bin").write_bytes(getattr(columns, name).tobytes())
    folder = datasets.new_folder(work)
    files = place.blobs.publish_folder(work, folder)
    with place.database.write() as session:
        return datasets.add(session, PROJECT, content, Upload("5" * 64, 1, content), folder, files, columns.schema)


def trained(row: DatasetRow, columns: Columns, other: DatasetRow | None = None, **fields: object) -> Trained:
    """A run on `columns`, stored as `row`."""
    given_settings = TrainingSettings.model_validate({"seed": 7, **fields})
    rows = np.arange(columns.schema.rows) if other is not None else divided(columns, given_settings, None)[0]
    return Trained(fit(columns, rows), given_settings, row, other)


@pytest.fixture(scope="module")
def old(place: Workplace) -> DatasetRow:
    return stored(place, measured(), "old")


def training_rows(columns: Columns, seed: int, fraction: float) -> set[int]:
    wanted = TrainingSettings.model_validate({"seed": seed, "validation": {"fraction": fraction}})
    return set(divided(columns, wanted, None)[0].tolist())


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 2**31), st.floats(0.1, 0.6), st.floats(0.1, 0.6))
def test_of_one_dataset_it_is_what_both_held_out(
    place: Workplace, old: DatasetRow, one: int, two: int, some: float, other: float
) -> None:
    runs = [
        trained(old, measured(), seed=seed, validation={"fraction": part}) for seed, part in ((one, some), (two, other))
    ]
    found = held_out(place.blobs, *runs)
    seen = training_rows(measured(), one, some) | training_rows(measured(), two, other)
    assert {int(row) for part in found.parts for row in part.rows} == set(range(ROWS)) - seen
    assert not found.by_value


def test_of_a_dataset_that_grew_no_row_is_left_that_the_older_one_trained_on(place: Workplace, old: DatasetRow) -> None:
    grown = measured(count=2 * ROWS)
    runs = [trained(old, measured()), trained(stored(place, grown, "grown"), grown, seed=8)]
    found = held_out(place.blobs, *runs)
    numbers = {part.dataset: part.rows for part in found.parts}
    ours, theirs = training_rows(measured(), 7, 0.2), training_rows(grown, 8, 0.2)
    assert found.by_value
    assert set(numbers[old.id].tolist()) == set(range(ROWS)) - ours - theirs
    assert set(numbers[runs[1].data.id].tolist()) == set(range(2 * ROWS)) - ours - theirs


def test_a_dataset_to_validate_on_counts_unless_the_other_one_trained_on_it(place: Workplace, old: DatasetRow) -> None:
    apart = measured(first=1_000, count=20)
    row = stored(place, apart, "apart")
    first, second = trained(old, measured(), row), trained(old, measured(), row, seed=8)
    assert held_out(place.blobs, first, second).rows == 20
    again = trained(row, apart, validation={"fraction": 0.25})
    assert held_out(place.blobs, first, again).rows == len(divided(apart, again.settings, None)[1])


def test_a_run_that_validates_on_what_it_trains_on_holds_nothing_out(place: Workplace, old: DatasetRow) -> None:
    itself = trained(old, measured(), old)
    assert held_out(place.blobs, itself, itself).rows == 0


def test_rows_that_one_of_the_two_cannot_read_are_left_out(place: Workplace, old: DatasetRow) -> None:
    for name, columns in (("labels", measured(2_000, labels="cd")), ("name", measured(2_000, name="z"))):
        other = trained(stored(place, columns, name), columns)
        assert held_out(place.blobs, trained(old, measured()), other).rows == 0


def test_what_is_spread_is_spread_over_all_parts(place: Workplace, old: DatasetRow) -> None:
    apart = measured(first=1_000)
    other = trained(stored(place, apart, "spread"), apart)
    found = held_out(place.blobs, trained(old, measured()), other)
    some = found.spread(10)
    assert some.rows == 10
    assert [len(part.rows) for part in some.parts] == [5, 5]
    for part, all_of_it in zip(some.parts, found.parts, strict=True):
        assert set(part.rows.tolist()) <= set(all_of_it.rows.tolist())
    assert found.spread(1_000) is found


def test_columns_that_are_not_as_recorded_are_noticed(place: Workplace) -> None:
    row = stored(place, measured(), "damaged")
    path = Path(place.data_dir / row.folder / "numbers.bin")
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    one = trained(row, measured())
    with pytest.raises(Damaged):
        held_out(place.blobs, one, one)


def test_fingerprints_are_equal_where_a_model_sees_the_same() -> None:
    columns, later = measured(), measured(first=30)
    rows, fitted = np.arange(ROWS), fit(measured(), np.arange(ROWS))
    found = fingerprints(fitted, columns, rows)
    assert len(set(found.tolist())) == ROWS
    # What training did not know is one category, so of the later rows the number alone tells them apart.
    assert fingerprints(fitted, later, rows)[:30].tolist() == found[30:].tolist()
    zeros = replace(columns, numbers=columns.numbers * 0.0)
    negative = replace(columns, numbers=columns.numbers * -0.0)
    assert fingerprints(fitted, zeros, rows).tolist() == fingerprints(fitted, negative, rows).tolist()


def test_pictures_have_the_fingerprint_of_their_pixels() -> None:
    generator = np.random.Generator(np.random.PCG64(3))
    images = [generator.integers(0, 256, shape, np.uint8) for shape in ((2, 3, 3), (3, 2, 3), (2, 3, 3))]
    columns = pictures([*images, images[0]], ["a", "b", "a", "b"])
    found = fingerprints(fit(columns, np.arange(4), (2, 3, 3)), columns, np.arange(4)).tolist()
    assert found[0] == found[3]
    assert len(set(found)) == 3

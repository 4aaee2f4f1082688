"""A run before it runs: what validates is never learned from, and equal seeds split equally."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.data.columns import Columns
from app.domain.data.schema import ColumnType
from app.domain.plan.preparation import Preparation, prepare
from app.domain.plan.settings import TrainingSettings
from app.errors import DropnormError, InvalidDataset, InvalidSettings
from tests.data.tables import penguins, table
from tests.domain_plan.forms import NORM, Form, dense, network

NET: list[Form] = [dense(4), NORM, dense()]


def rows(count: int, labels: tuple[str, ...] = ("a", "b"), seed: int = 1) -> Columns:
    values = np.random.Generator(np.random.PCG64(seed)).normal(5, 3, count)
    return table(
        {"x": (ColumnType.NUMERIC, [float(value) for value in values])},
        ("y", [labels[index % len(labels)] for index in range(count)]),
    )


def prepared(columns: Columns, other: Columns | None = None, **fields: Any) -> Preparation:
    wanted = TrainingSettings.model_validate({"seed": 7, **fields})
    return prepare(columns, network(*NET), wanted, other)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**53 - 1), st.floats(0.05, 0.8), st.floats(-1e6, 1e6))
def test_validation_rows_never_reach_the_preprocessing(seed: int, fraction: float, wild: float) -> None:
    columns = rows(40)
    chosen: dict[str, Any] = {"seed": seed, "validation": {"fraction": fraction}}
    first = prepared(columns, **chosen)
    numbers = columns.numbers.copy()
    numbers[first.validation_rows] = wild
    second = prepared(replace(columns, numbers=numbers), **chosen)
    assert np.array_equal(first.validation_rows, second.validation_rows)
    assert len(first.validation_rows) > 0
    assert first.preprocessing.artifact() == second.preprocessing.artifact()


def test_training_rows_do_reach_the_preprocessing() -> None:
    columns = rows(40)
    first = prepared(columns)
    numbers = columns.numbers.copy()
    numbers[first.training_rows[0]] += 1
    assert prepared(replace(columns, numbers=numbers)).preprocessing.artifact() != first.preprocessing.artifact()


def test_another_datasets_rows_never_reach_the_preprocessing_either() -> None:
    columns = rows(40)
    done = [prepared(columns, rows(count, seed=count)) for count in (10, 20)]
    assert done[0].preprocessing == done[1].preprocessing
    assert [len(one.training_rows) for one in done] == [40, 40]
    assert [len(one.validation_rows) for one in done] == [10, 20]


@given(st.integers(0, 2**53 - 1))
def test_one_seed_gives_one_preparation(seed: int) -> None:
    first, again = (prepared(rows(40), seed=seed) for _ in range(2))
    assert np.array_equal(first.training_rows, again.training_rows)
    assert first.preprocessing.artifact() == again.preprocessing.artifact()
    assert (first.spec, first.batches) == (again.spec, again.batches)


def test_another_seed_gives_another_split() -> None:
    splits = {prepared(rows(40), seed=seed).validation_rows.tobytes() for seed in range(10)}
    assert len(splits) > 5


def test_everything_is_resolved_for_the_dataset() -> None:
    done = prepared(penguins(), batch_size=4)
    assert done.spec.input_shape == (done.preprocessing.width,) == done.preprocessing.input_shape
    assert done.parameters.total == done.preprocessing.width * 4 + 4 + 16 + 4 * 3 + 3
    assert done.batches.rows == len(done.training_rows)
    assert done.memory_bytes > 36 * done.parameters.total


@pytest.mark.parametrize(
    ("count", "fields", "code"),
    [
        (40, {"batch_size": 1}, "batch_size_too_small"),
        (40, {"loss": "huber"}, "loss_mismatch"),
    ],
)
def test_settings_that_cannot_train_are_refused(count: int, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        prepared(rows(count), **fields)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "other",
    [
        table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["a", "unknown"])),
        table({"z": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["a", "b"])),
        table({"x": (ColumnType.CATEGORICAL, ["1", "2"])}, ("y", ["a", "b"])),
        table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", [1.0, 2.0])),
    ],
    ids=["unknown class", "missing column", "another type", "another task"],
)
def test_a_validation_dataset_that_does_not_fit_is_refused_before_anything_runs(other: Columns) -> None:
    with pytest.raises(DropnormError):
        prepared(rows(40), other)


def test_another_dataset_must_have_the_target_that_is_trained_on() -> None:
    columns = rows(40)
    target = columns.schema.target.model_copy(update={"name": "z"})
    other = replace(columns, schema=columns.schema.model_copy(update={"target": target}))
    with pytest.raises(InvalidDataset, match="target is 'z'; the run trains on 'y'") as caught:
        prepared(columns, other)
    assert caught.value.code == "target_mismatch"


def test_early_stopping_on_rows_that_are_not_there_is_refused_before_anything_runs() -> None:
    columns = rows(2)
    with pytest.raises(InvalidSettings, match="no rows are held out") as caught:
        prepared(columns, early_stopping={"monitor": "validation_loss"}, batch_size=2)
    assert caught.value.errors[0].pointer == "/training/early_stopping/monitor"


def test_the_memory_of_a_batch_grows_with_its_rows_and_the_widths() -> None:
    columns = rows(1_000)
    small, large = (prepared(columns, batch_size=size).memory_bytes for size in (10, 800))
    # Two float32 for each value that the layers give: 4 + 4 + 2 + 2 for a row.
    assert large - small == 790 * 12 * 2 * 4

"""Preprocessing: fitted on training rows alone, finite whatever comes in, the same in training and serving."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.domain.data.columns import Columns
from app.domain.data.dates import date_parts
from app.domain.data.encoder import FARTHEST, Encoder
from app.domain.data.features import fit
from app.domain.data.preprocessing import CategoricalFeature, NumberTarget, NumericFeature, Preprocessing
from app.domain.data.schema import MISSING, OTHER, UNSEEN, ColumnType
from app.domain.data.stored import encode_columns, stored_rows
from app.domain.data.targets import class_targets, number_targets, standardized
from app.errors import Damaged, InvalidDataset
from tests.data.tables import DAY, penguins, pictures, table

TRAINING = np.arange(10)


def encoded(columns: Columns, training: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, list[float]]:
    """All encoded columns by name, for all rows."""
    preprocessing = fit(columns, training)
    features = encode_columns(preprocessing, columns, np.arange(columns.schema.rows))
    return dict(zip(preprocessing.encoded_names, features.T.tolist(), strict=True))


def test_the_places_of_an_encoded_row_are_named_in_the_order_of_the_columns() -> None:
    preprocessing = fit(penguins(), TRAINING)
    assert preprocessing.encoded_names == (
        *("bill_length_mm", "bill_length_mm is missing", "tagged", "tagged is missing"),
        *("island=Biscoe", "island=Torgersen", "island is missing"),
        *("seen", "seen year", "seen month", "seen weekday", "year"),
    )
    assert preprocessing.input_shape == (preprocessing.width,) == (12,)


def test_a_numeric_column_is_standardised_by_its_present_training_rows_and_missing_is_exactly_the_mean() -> None:
    values = encoded(penguins(), TRAINING)
    present = np.array([39.1, 39.5, 36.7, 39.3, 38.9, 39.2, 34.1, 42.0, 37.8])
    expected = ((present - present.mean()) / present.std()).astype(np.float32).tolist()
    assert values["bill_length_mm"][:2] + values["bill_length_mm"][3:10] == expected
    assert values["bill_length_mm"][2] == 0.0
    assert values["bill_length_mm is missing"] == [0, 0, 1] + [0] * 9


def test_a_constant_column_becomes_zero_not_noise() -> None:
    columns = table({"x": (ColumnType.NUMERIC, [0.1] * 7)}, ("y", ["a", "b"] * 3 + ["a"]))
    assert encoded(columns, np.arange(7))["x"] == [0.0] * 7


def test_booleans_are_zero_and_one_and_a_missing_one_is_the_most_frequent() -> None:
    values = encoded(penguins(), TRAINING)
    assert values["tagged"] == [1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0]
    assert values["tagged is missing"] == [0, 0, 0, 1] + [0] * 8


def test_a_category_is_one_place_a_missing_one_the_most_frequent_and_an_unseen_one_none() -> None:
    values = encoded(penguins(), TRAINING)
    assert values["island=Biscoe"] == [0] * 4 + [1] * 6 + [0] * 2
    assert values["island=Torgersen"] == [1] * 4 + [0] * 8
    assert values["island is missing"] == [0] * 9 + [1] + [0] * 2


def test_values_folded_into_other_have_a_place_which_unseen_values_share() -> None:
    columns = table({"c": (ColumnType.CATEGORICAL, ["a", OTHER, "b", "z"])}, ("y", ["p", "q", "p", "q"]))
    values = encoded(columns, np.arange(3))
    assert list(values) == ["c=a", "c=b", f"c={OTHER}"]
    assert values[f"c={OTHER}"] == [0, 1, 0, 1]


def test_a_date_is_its_time_its_year_its_month_and_its_weekday() -> None:
    midnight = np.array([[0.0], [DAY * 59], [-DAY], [1_709_164_800.0], [np.nan]])
    parts = date_parts(midnight)
    assert parts[:4].tolist() == [[1970, 1, 3], [1970, 3, 6], [1969, 12, 2], [2024, 2, 3]]
    assert np.isnan(parts[4]).all()


def test_a_missing_date_is_the_mean_in_every_part() -> None:
    values = encoded(penguins(), TRAINING)
    assert [values[name][11] for name in ("seen", "seen year", "seen month", "seen weekday")] == [0.0] * 4


def test_validation_rows_have_no_part_in_the_fit() -> None:
    columns = penguins()
    numbers, codes = columns.numbers.copy(), columns.codes.copy()
    numbers[10:], codes[10:] = 1e9, 0
    assert fit(replace(columns, numbers=numbers, codes=codes), TRAINING) == fit(columns, TRAINING)
    numbers[3, 0] += 1
    assert fit(replace(columns, numbers=numbers, codes=codes), TRAINING) != fit(columns, TRAINING)


def test_the_artifact_makes_an_equal_preprocessing_again_and_equal_bytes() -> None:
    preprocessing = fit(penguins(), TRAINING)
    again = Preprocessing.read(preprocessing.artifact())
    assert again == preprocessing
    assert again.artifact() == fit(penguins(), TRAINING).artifact()


def test_an_artifact_of_another_form_or_format_is_damaged() -> None:
    content = fit(penguins(), TRAINING).artifact()
    for wrong in (b"", b"{}", content[:-3], content.replace(b'"format": 1', b'"format": 2')):
        with pytest.raises(Damaged):
            Preprocessing.read(wrong)


def test_a_row_is_encoded_alone_as_among_others_bit_for_bit() -> None:
    columns = penguins()
    preprocessing = fit(columns, TRAINING)
    together = encode_columns(preprocessing, columns, np.arange(12))
    alone = [encode_columns(preprocessing, columns, np.array([row])) for row in range(12)]
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_a_fit_in_many_chunks_is_the_fit_of_the_whole() -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    values = generator.normal(1e6, 3.0, 1_200_000)
    labels = ["a", "b"] * 600_000
    columns = table({"x": (ColumnType.NUMERIC, values.tolist())}, ("y", labels))
    (feature,) = fit(columns, np.arange(len(values))).features
    assert isinstance(feature, NumericFeature)
    assert feature.scale.mean == pytest.approx(values.mean(), rel=1e-14)
    assert feature.scale.deviation == pytest.approx(values.std(), rel=1e-10)
    assert (feature.minimum, feature.maximum) == (values.min(), values.max())


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(allow_infinity=False)),
    arrays.arrays(np.float64, (3, 2), elements=st.floats(allow_infinity=False)),
)
def test_what_comes_out_is_finite_whatever_comes_in(
    training: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    later: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    rows = np.concatenate([training, later])
    missing = [[None if np.isnan(cell) else float(cell) for cell in column] for column in rows.T]
    columns = table(
        {"x": (ColumnType.NUMERIC, missing[0]), "when": (ColumnType.DATE, missing[1])}, ("y", ["a"] * len(rows))
    )
    features = encode_columns(fit(columns, np.arange(len(training))), columns, np.arange(len(rows)))
    assert features.dtype == np.float32
    assert (np.abs(features) <= FARTHEST).all()


def test_all_values_missing_among_the_training_rows_is_no_obstacle() -> None:
    columns = table(
        {"x": (ColumnType.NUMERIC, [None, None, 4.0]), "c": (ColumnType.CATEGORICAL, [None, None, "a"])},
        ("y", ["a", "b", "a"]),
    )
    values = encoded(columns, np.arange(2))
    assert values == {"x": [0, 0, 4], "x is missing": [1, 1, 0], "c is missing": [1, 1, 0]}


def test_unseen_and_missing_codes_encode_as_told() -> None:
    preprocessing = fit(penguins(), TRAINING)
    numbers = np.full((2, 4), np.nan)
    rows = Encoder(preprocessing).encode(numbers, np.array([[UNSEEN], [MISSING]], np.int32))
    assert rows[:, 4:7].tolist() == [[0, 0, 0], [1, 0, 1]]


def test_another_dataset_is_matched_by_column_name_and_category_text() -> None:
    preprocessing = fit(penguins(), TRAINING)
    columns = penguins()
    island = next(feature for feature in preprocessing.features if isinstance(feature, CategoricalFeature))
    other = table(
        {
            "island": (ColumnType.CATEGORICAL, ["Anvers", "Torgersen"]),
            "year": (ColumnType.NUMERIC, [2007.0, 2007.0]),
            "seen": (ColumnType.DATE, [columns.numbers[0, 2], columns.numbers[1, 2]]),
            "tagged": (ColumnType.BOOLEAN, [True, False]),
            "bill_length_mm": (ColumnType.NUMERIC, [39.1, 39.5]),
        },
        ("species", ["Gentoo", "Gentoo"]),
    )
    raw = stored_rows(preprocessing, other, np.arange(2))
    assert raw.codes.tolist() == [[UNSEEN], [island.categories.index("Torgersen")]]
    assert raw.unseen == {"island": {"Anvers": 1}}
    same = encode_columns(preprocessing, columns, np.arange(2))[1]
    assert np.array_equal(encode_columns(preprocessing, other, np.arange(2))[1], same)


def test_a_dataset_without_a_column_or_with_another_type_is_refused_by_name() -> None:
    preprocessing = fit(penguins(), TRAINING)
    other = table({"island": (ColumnType.NUMERIC, [1.0, 2.0])}, ("species", ["a", "b"]))
    with pytest.raises(InvalidDataset, match="bill_length_mm") as caught:
        encode_columns(preprocessing, other, np.arange(2))
    assert caught.value.code == "columns_mismatch"
    assert ("/columns/island", "numeric") in [(error.pointer, error.received) for error in caught.value.errors]


def test_a_table_is_no_answer_for_a_model_of_pictures() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    columns = pictures([image, image], ["a", "b"])
    with pytest.raises(InvalidDataset, match="pictures"):
        encode_columns(fit(columns, np.arange(2), (2, 2, 3)), penguins(), TRAINING)


def test_class_targets_are_matched_by_label() -> None:
    target = fit(penguins(), TRAINING).target
    assert target.type == "classes"
    assert target.labels == ("Adelie", "Chinstrap", "Gentoo")
    other = table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("kind", ["Gentoo", "Adelie"]))
    assert class_targets(target, other, np.arange(2)).tolist() == [2, 0]
    strange = table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("kind", ["Gentoo", "Emperor"]))
    with pytest.raises(InvalidDataset, match="Emperor"):
        class_targets(target, strange, np.arange(2))


def test_a_number_target_is_scaled_by_the_training_rows() -> None:
    columns = table({"x": (ColumnType.NUMERIC, [1.0, 2.0, 3.0])}, ("y", [10.0, 14.0, 999.0]))
    target = fit(columns, np.arange(2)).target
    assert isinstance(target, NumberTarget)
    assert (target.scale.mean, target.scale.deviation) == (12.0, 2.0)
    values = number_targets(columns, np.arange(2))
    assert standardized(target, values).tolist() == [[-1.0], [1.0]]
    with pytest.raises(InvalidDataset, match="classification"):
        number_targets(penguins(), TRAINING)

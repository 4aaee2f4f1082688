"""Stored columns → raw rows → network input, a chunk at a time."""

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.encoder import Encoder
from app.domain.data.pictures import pixel_features, stored_pixels
from app.domain.data.pointers import pointer
from app.domain.data.preprocessing import CategoricalFeature, Preprocessing
from app.domain.data.raw import RawRows, UnseenCounts, chunks
from app.domain.data.schema import UNSEEN, Column, DatasetSchema
from app.domain.data.split import Rows
from app.errors import FieldError, InvalidDataset, shown


def encode_columns(preprocessing: Preprocessing, columns: Columns, rows: Rows) -> NDArray[np.float32]:
    """The network input of stored rows, float32 [n, *input_shape]: each row as `Encoder` would have it alone.

    The dataset need not be the one that was trained on: columns are matched by name, categories by text. Raises
    `InvalidDataset` where it lacks a column or has it as another type.
    """
    check_columns(preprocessing, columns.schema)
    if preprocessing.picture is None:
        return _encoded(preprocessing, columns, rows)
    pixels = stored_pixels(preprocessing.picture, columns, rows)
    return pixel_features(preprocessing.picture, pixels)


def _encoded(preprocessing: Preprocessing, columns: Columns, rows: Rows) -> NDArray[np.float32]:
    features = np.empty((len(rows), preprocessing.width), dtype=np.float32)
    encoder = Encoder(preprocessing)
    for part in chunks(len(rows), max(preprocessing.width, columns.numbers.shape[1])):
        raw = stored_rows(preprocessing, columns, rows[part])
        features[part] = encoder.encode(raw.numbers, raw.codes)
    return features


def stored_rows(preprocessing: Preprocessing, columns: Columns, rows: Rows) -> RawRows:
    """Stored rows of a table as raw rows. Raises `InvalidDataset` as `encode_columns` does."""
    check_columns(preprocessing, columns.schema)
    by_name = {column.name: column for column in _readable(columns.schema)}
    places = [by_name[feature.name].place for feature in preprocessing.scaled]
    codes = np.empty((len(rows), len(preprocessing.categorical)), dtype=np.int32)
    unseen: UnseenCounts = {}
    for index, feature in enumerate(preprocessing.categorical):
        column = by_name[feature.name]
        stored = columns.codes[rows, column.place]
        lookup = _lookup(feature, column)
        codes[:, index] = lookup[stored]
        unseen[feature.name] = _unseen_counts(column, stored[codes[:, index] == UNSEEN])
    return RawRows(columns.numbers[rows][:, places], codes, unseen)


def check_columns(preprocessing: Preprocessing, schema: DatasetSchema) -> None:
    """Raises `InvalidDataset` (`columns_mismatch`) unless the dataset has every column the model was trained on."""
    if schema.has_pictures != (preprocessing.picture is not None):
        expected = "pictures" if preprocessing.picture else "a table"
        raise InvalidDataset(
            f"the model was trained on {expected}; this dataset is of kind {schema.kind}", code="kind_mismatch"
        )
    types = {column.name: str(column.type) for column in _readable(schema)}
    errors = tuple(
        FieldError(pointer("columns", feature.name), f"must be there, as {feature.type}", types.get(feature.name))
        for feature in preprocessing.features
        if types.get(feature.name) != feature.type
    )
    if errors:
        names = ", ".join(f.name for f in preprocessing.features if types.get(f.name) != f.type)
        raise InvalidDataset(
            f"the dataset lacks columns the model was trained on, or has them as another type: {shown(names, 400)}",
            code="columns_mismatch",
            errors=errors[:20],
        )


def _readable(schema: DatasetSchema) -> tuple[Column, ...]:
    """A dataset's columns, its target too: in data without the model's own target, any column was taken for it."""
    return (*schema.features, schema.target)


def _lookup(feature: CategoricalFeature, column: Column) -> NDArray[np.int32]:
    """From the dataset's codes to the fitted ones; the last entry serves the code -1, which is `MISSING`."""
    fitted = {text: code for code, text in enumerate(feature.categories)}
    return np.array([*(fitted.get(text, UNSEEN) for text in column.categories), -1], dtype=np.int32)


def _unseen_counts(column: Column, stored: NDArray[np.int32]) -> dict[str, int]:
    codes, counts = np.unique(stored, return_counts=True)
    return {column.categories[code]: int(count) for code, count in zip(codes, counts, strict=True)}

"""Stored rows answered as those of a request are: by the same predictor, in the same way, some at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.split import Rows
from app.domain.data.stored import check_columns, stored_rows
from app.serving.predictor import Answers, Predictor, Question

BLOCK_VALUES = 1 << 20
"""The most values that a block's rows take, read, encoded or answered: some megabytes of each."""
MOST_BLOCK_ROWS = 8_192


def blocks(predictor: Predictor, columns: Columns, rows: Rows | range, *, calibrated: bool = True) -> Iterator[Answers]:
    """Answers to stored rows, in their order, a block at a time; memory stays flat where they are a range.

    The dataset need not be the one that was trained on. Raises `InvalidDataset` where it lacks a column or has it as
    another type, and `InvalidRows` where an answer is not a finite number.
    """
    check_columns(predictor.preprocessing, columns.schema)
    size = block_rows(predictor, columns)
    offsets = columns.picture_offsets() if predictor.takes_pictures else np.empty(0, np.int64)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        part = np.arange(some.start, some.stop) if isinstance(some, range) else some
        if predictor.takes_pictures:
            question = predictor.of_pictures([columns.picture(int(row), offsets) for row in part])
        else:
            question = Question(raw=stored_rows(predictor.preprocessing, columns, part))
        yield predictor.answer(question, calibrated=calibrated)


def answered(predictor: Predictor, columns: Columns, rows: Rows | range) -> NDArray[np.float32]:
    """Answers to stored rows, float32 [n, outputs]; n is at least 1. Raises as `blocks` does."""
    return np.concatenate([answers.values for answers in blocks(predictor, columns, rows)])


def row_work(predictor: Predictor, columns: Columns) -> int:
    """About how many multiplications a row takes: those of the network, and what reading and encoding it is like."""
    return max(predictor.weights, 1_000) + 10 * _stored_values(columns) + predictor.inputs


def block_rows(predictor: Predictor, columns: Columns) -> int:
    """How many rows a block has, at the most."""
    width = max(predictor.inputs, predictor.outputs, _stored_values(columns))
    return max(1, min(MOST_BLOCK_ROWS, BLOCK_VALUES // width))


def _stored_values(columns: Columns) -> int:
    """How many numbers a stored row has; of pictures, which may differ in size, the mean."""
    pixels = len(columns.pixels) // max(1, columns.schema.rows)
    return int(columns.numbers.shape[1]) + int(columns.codes.shape[1]) + pixels

"""Stored rows as numbers that are equal where the rows are equal to a model: in all columns that it uses."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import RawRows, chunks
from app.domain.data.split import Rows
from app.domain.data.stored import stored_rows

_SEED = np.uint64(0x9E3779B97F4A7C15)


def fingerprints(preprocessing: Preprocessing, columns: Columns, rows: Rows) -> NDArray[np.uint64]:
    """One number a stored row, uint64 [n]. Rows of different datasets have the same one where the model sees the same.

    Two rows that differ have the same one with a chance of 2⁻⁶⁴. Missing is a value; categories that training did not
    know are one. Raises `InvalidDataset` as `stored_rows` does.
    """
    if preprocessing.picture is not None:
        offsets = columns.picture_offsets()
        return np.array([_of_picture(columns.picture(int(row), offsets)) for row in rows], np.uint64)
    found = np.empty(len(rows), np.uint64)
    for part in chunks(len(rows), columns.numbers.shape[1] + columns.codes.shape[1]):
        found[part] = _of_rows(stored_rows(preprocessing, columns, rows[part]))
    return found


def _of_rows(raw: RawRows) -> NDArray[np.uint64]:
    # Zeros of either sign and all bit patterns of NaN are one value each.
    numbers = np.where(np.isnan(raw.numbers), np.nan, raw.numbers + 0.0)
    found = np.full(len(raw), _SEED)
    for values in (np.ascontiguousarray(numbers).view(np.uint64), raw.codes.astype(np.int64).view(np.uint64)):
        for column in values.T:
            found = _mixed(found ^ column)
    return found


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A step of SplitMix64 (Steele, Lea & Flood 2014): a bijection in which each bit depends on all."""
    values = values + _SEED
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _of_picture(picture: NDArray[np.uint8]) -> int:
    digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(picture).data)
    return int.from_bytes(digest.digest(), "little")

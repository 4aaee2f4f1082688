"""Stored columns as arrays in memory (or mapped from files): what training and previews start from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import DatasetSchema

LAYOUT: dict[str, str] = {"numbers": "<f8", "codes": "<i4", "pixels": "|u1", "shapes": "<i4"}
"""Name of each stored array and its dtype; the files are raw, their shapes follow from the schema and their size."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A dataset's arrays; see `app.domain.data.schema` for their shapes. Arrays a dataset lacks are empty."""

    schema: DatasetSchema
    numbers: NDArray[np.float64]
    codes: NDArray[np.int32]
    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int32]

    def picture(self, row: int, offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Picture `row` as uint8 [height, width, 3]; `offsets` are `picture_offsets()`."""
        height, width = (int(side) for side in self.shapes[row])
        return self.pixels[offsets[row] : offsets[row + 1]].reshape(height, width, 3)

    def picture_offsets(self) -> NDArray[np.int64]:
        """Where each picture starts in `pixels`, and where the last one ends: int64 [rows + 1]."""
        sizes = self.shapes.astype(np.int64).prod(axis=1) * 3
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

"""Upright RGB pictures → network input: the one function that training and serving share."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain.data.columns import Columns
from app.domain.data.preprocessing import PictureInput
from app.domain.data.split import Rows

_TO_UNIT = (np.arange(256) / 255).astype(np.float32)


def resized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """`picture` [h, w, 3] as [height, width, 3]: bilinear, with all source pixels weighed in when it shrinks."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def stored_pixels(place: PictureInput, columns: Columns, rows: Rows) -> NDArray[np.uint8]:
    """The stored pictures `rows` as uint8 [n, height, width, 3]: a quarter of what their features take."""
    offsets = columns.picture_offsets()
    pixels = np.empty((len(rows), place.height, place.width, 3), np.uint8)
    for index, row in enumerate(rows):
        pixels[index] = resized(columns.picture(int(row), offsets), place.height, place.width)
    return pixels


def scaled_pixels(place: PictureInput, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features 0–1, float32 [n, height, width, 3] or [n, height × width × 3], of uint8 [n, height, width, 3]."""
    features = _TO_UNIT[pixels]
    return features.reshape(len(pixels), -1) if place.flat else features

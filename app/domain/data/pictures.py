"""Upright RGB pictures → network input: the one function that training and serving share."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain.data.columns import Columns
from app.domain.data.faults import refuse
from app.domain.data.pointers import pointer
from app.domain.data.preprocessing import PictureInput
from app.domain.data.split import Rows

Pictures = NDArray[np.uint8] | NDArray[np.float32]
_ONE_BITS = np.float32(1).view(np.uint32)
_WHITE = np.float32(255)
"""Divided by in float32: for each of the 256 values that is what float64, rounded once, has."""


def resized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """`picture` [h, w, 3] as [height, width, 3]: bilinear, with all source pixels weighed in when it shrinks."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


class PictureEncoder:
    """Turns pictures of one size into a network's input; built once, used for every picture.

    Pictures are uint8 [n, height, width, 3] of 0–255, or float32 of 0–1, as `array_pictures` makes them.
    """

    def __init__(self, place: PictureInput) -> None:
        self._place = place
        self._center = center_features(place).reshape(place.height, place.width, 3)

    def encode(self, pictures: Pictures) -> NDArray[np.float32]:
        """Float32 [n, *input_shape]."""
        encoded = np.empty((len(pictures), *self._place.shape), np.float32)
        self.write(pictures, encoded)
        return encoded

    def write(self, pictures: Pictures, encoded: NDArray[np.float32]) -> None:
        """As `encode`, into memory that is there: contiguous float32 [n, *input_shape]."""
        shaped = encoded.reshape(pictures.shape)
        if pictures.dtype == np.uint8:
            np.divide(pictures, _WHITE, out=shaped, dtype=np.float32)
            np.subtract(shaped, self._center, out=shaped)
        else:
            np.subtract(pictures, self._center, out=shaped)


def pixel_features(place: PictureInput, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network input of pictures of its size, uint8 [n, height, width, 3]: 0–255 as 0–1, then centred."""
    return _encoder(place).encode(pixels)


def center_features(place: PictureInput) -> NDArray[np.float32]:
    """What is subtracted of a row on the scale 0–1: float32 [*input_shape]."""
    whole = np.broadcast_to(np.array(place.center, np.float32), (place.height, place.width, 3))
    return np.ascontiguousarray(whole).reshape(place.shape)


@lru_cache(64)
def _encoder(place: PictureInput) -> PictureEncoder:
    """One that is kept: to spread three numbers over each pixel anew takes ten times as long as to subtract."""
    return PictureEncoder(place)


def stored_pixels(place: PictureInput, columns: Columns, rows: Rows) -> NDArray[np.uint8]:
    """The stored pictures `rows`, resized: uint8 [n, height, width, 3]."""
    offsets = columns.picture_offsets()
    pixels = np.empty((len(rows), place.height, place.width, 3), np.uint8)
    for index, row in enumerate(rows):
        pixels[index] = resized(columns.picture(int(row), offsets), place.height, place.width)
    return pixels


def sized_pictures(place: PictureInput, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures sent for a prediction, each uint8 [h, w, 3] of any size, at the network's; at least one."""
    if len(pictures) == 1:
        return resized(pictures[0], place.height, place.width)[np.newaxis]
    return np.stack([resized(picture, place.height, place.width) for picture in pictures])


def array_pictures(place: PictureInput, array: NDArray[np.generic]) -> Pictures:
    """An array sent for a prediction as pictures of the network's size.

    uint8 [n, h, w, 3] is 0–255 and of any size, or [n, *input_shape]; floats are 0–1 and [n, *input_shape], or
    [n, height, width, 3] of that very size. Raises `InvalidRows` for any other array, and for floats outside 0–1.
    """
    whole = (place.height, place.width, 3)
    if array.dtype == np.uint8 and array.ndim > 1 and array.shape[1:] == place.shape:
        array = array.reshape(len(array), *whole)
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] == 3 and array.size:
        pixels = array.astype(np.uint8, copy=False)
        return pixels if pixels.shape[1:] == whole else sized_pictures(place, list(pixels))
    shaped = array.ndim > 1 and len(array) > 0 and array.shape[1:] in (place.shape, whole)
    if array.dtype.kind != "f" or not shaped:
        received = f"{array.dtype} {list(array.shape)}"
        expected = f"uint8 [n, h, w, 3] of 0–255, or float32 [n, {', '.join(map(str, place.shape))}] of 0–1"
        raise refuse(f"pictures must be {expected}; received {received}", "", received, "shape_mismatch")
    with np.errstate(over="ignore"):
        pictures = array.astype(np.float32, copy=False).reshape(len(array), *whole)
    if not _within_one(pictures):
        wrong = np.argwhere(~((pictures >= 0) & (pictures <= 1)))
        where = pointer("rows", *map(int, wrong[0]))
        message = f"{where} must lie between 0 and 1; for 0 to 255 send uint8"
        raise refuse(message, where, float(pictures[tuple(wrong[0])]), "value_invalid")
    return pictures


def _within_one(pictures: NDArray[np.float32]) -> bool:
    """Whether all values lie between 0 and 1; a NaN does not."""
    # Floats from 0 on are in the order of their bits; what is negative or no number is beyond them. -0 is, too.
    if pictures.view(np.uint32).max() <= _ONE_BITS:
        return True
    return bool(pictures.min() >= 0 and pictures.max() <= 1)

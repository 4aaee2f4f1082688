"""Pictures that come as one array: [rows, height, width], with a last axis of 1 or 3 or without."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import DatasetSchema, Kind, ReadRequest, Warning
from app.errors import InvalidDataset, TooLarge
from app.ingest import labels
from app.ingest.faults import BadCell, row_fault
from app.ingest.limits import PICTURE_PIXELS, Limits
from app.ingest.npy import Array
from app.ingest.pictures import reduced
from app.ingest.pixels import PictureWriter, check_request
from app.ingest.plan import target_field

_CHUNK_BYTES = 8 << 20


def read_stack(x: Array, y: NDArray[np.generic], output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read pictures, bytes 0 to 255 or floats 0 to 1, with their targets. Raises InvalidDataset and TooLarge."""
    check_request(request, labels.TARGET)
    _check_shape(x)
    target = target_field(labels.look_at(y), request)
    before = 0
    with PictureWriter(output, target, limits) as writer:
        for chunk in x.chunks(_CHUNK_BYTES):
            pictures = _rgb(_bytes(chunk, before))
            try:
                known = labels.part(y[before : before + len(chunk)], target, limits)
            except BadCell as error:
                raise error.at(before) from None
            writer.add([reduced(picture) for picture in pictures], known)
            before += len(chunk)
        return writer.schema(Kind.ARRAY, _warnings(x))


def _check_shape(x: Array) -> None:
    """Raise InvalidDataset where the array's shape or type is not one of pictures."""
    if len(x.shape) not in (3, 4) or (len(x.shape) == 4 and x.shape[3] not in (1, 3)):
        hint = "; put the channels last" if len(x.shape) == 4 and x.shape[1] in (1, 3) else ""
        raise InvalidDataset(
            f"The array x has the shape {x.shape}; expected [rows, columns], or pictures as [rows, height, width], "
            f"[rows, height, width, 1] or [rows, height, width, 3]{hint}."
        )
    height, width = x.shape[1:3]
    if not height or not width:
        raise InvalidDataset(f"The array x has the shape {x.shape}: its pictures are empty.")
    if height * width > PICTURE_PIXELS:
        raise TooLarge(f"The pictures have {height * width:,} pixels; {PICTURE_PIXELS:,} are allowed.")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise InvalidDataset(f"Pictures are read as uint8 or as floats from 0 to 1; x holds {x.dtype.name}.")


def _warnings(x: Array) -> tuple[Warning, ...]:
    if x.dtype == np.uint8:
        return ()
    message = "The pictures' floats from 0 to 1 are held as 8-bit, in steps of 1/255."
    return (Warning(code="held_as_8bit", message=message),)


def _bytes(chunk: NDArray[np.generic], before: int) -> NDArray[np.uint8]:
    """Pictures as bytes; floats from 0 to 1 become 0 to 255."""
    if chunk.dtype == np.uint8:
        return chunk.astype(np.uint8, copy=False)
    floats = chunk.astype(np.float32)
    # NaN fails both comparisons.
    wrong = ~((floats >= 0) & (floats <= 1))
    if wrong.any():
        row = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        received = float(floats[row][wrong[row]][0])
        raise row_fault(before + row + 1, "floats from 0 to 1 (or uint8 from 0 to 255)", f"{received:g}")
    return np.rint(floats * 255).astype(np.uint8)


def _rgb(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures of any of the accepted shapes as uint8 [n, height, width, 3]; gray is repeated."""
    channels = pictures if pictures.ndim == 4 else pictures[..., np.newaxis]
    return channels if channels.shape[3] == 3 else np.repeat(channels, 3, axis=3)

"""NumPy arrays in an archive: what a header declares is compared with what is there before any allocation."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidDataset, TooLarge, shown
from app.ingest.archives import exactly, member
from app.ingest.npy_header import START_BYTES, parsed, text_place

_HEADER_BYTES = 65_536
_MOST_AXES = 4
_WHOLE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Array:
    """An array in an archive, opened behind its header."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran: bool
    file: zipfile.ZipExtFile
    entry: zipfile.ZipInfo

    def chunks(self, chunk_bytes: int) -> Iterator[NDArray[np.generic]]:
        """The array in order, cut along its first axis into pieces of about `chunk_bytes`."""
        if self.fortran and len(self.shape) > 1:
            yield self.whole()
            return
        row_bytes = self.dtype.itemsize * math.prod(self.shape[1:])
        step = max(1, chunk_bytes // max(1, row_bytes))
        for start in range(0, self.shape[0], step):
            yield self._read(min(step, self.shape[0] - start))

    def whole(self) -> NDArray[np.generic]:
        """The array in one piece. Raises TooLarge where that is too much for memory."""
        if self.dtype.itemsize * math.prod(self.shape) > _WHOLE_BYTES:
            raise TooLarge(f"The array {self.name} is too large to be read in one piece; save x in C order.")
        return self._read(self.shape[0])

    def _read(self, rows: int) -> NDArray[np.generic]:
        shape = (rows, *self.shape[1:])
        data = exactly(self.file, self.dtype.itemsize * math.prod(shape), self.entry)
        if len(data) != self.dtype.itemsize * math.prod(shape):
            raise InvalidDataset(f"The array {self.name} is truncated.")
        values = np.frombuffer(data, self.dtype).reshape(shape, order="F" if self.fortran else "C")
        return values.astype(self.dtype.newbyteorder("="), copy=False)


@contextmanager
def array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[Array]:
    """Open the array `entry` of an archive. Raises InvalidDataset."""
    name = entry.filename.removesuffix(".npy")
    with member(archive, entry) as file:
        text, length = _header(file, entry)
        header = parsed(text)
        if header is None:
            raise InvalidDataset(
                f"The array {name} must hold plain numbers (or texts, for y), no objects and no structured types; "
                f"its header is {shown(text.strip())}."
            )
        shape, dtype = header.shape, header.dtype
        if not 1 <= len(shape) <= _MOST_AXES or dtype.itemsize == 0:
            raise InvalidDataset(f"The array {name} has {len(shape)} axes; 1 to {_MOST_AXES} are read.")
        if dtype.itemsize * math.prod(shape) != entry.file_size - length:
            message = f"The array {name} declares a shape {shape} that does not fit the {entry.file_size:,} bytes there"
            raise InvalidDataset(f"{message}.")
        yield Array(name, dtype, shape, header.fortran, file, entry)


def _header(file: zipfile.ZipExtFile, entry: zipfile.ZipInfo) -> tuple[str, int]:
    """The header's text, and how many bytes stand before the data."""
    damaged = InvalidDataset(f"The entry '{shown(entry.filename)}' is no NumPy array.")
    start = exactly(file, START_BYTES, entry)
    place = text_place(start)
    if place is None:
        raise damaged
    begins, length = place
    if length > _HEADER_BYTES:
        raise InvalidDataset(f"The entry '{shown(entry.filename)}' has a header of {length:,} bytes, which is refused.")
    # What was read beyond the place where the text begins is part of it, or of what must follow: it is short.
    text = start[begins:] + exactly(file, max(0, length - len(start) + begins), entry)
    return text.decode("latin-1"), begins + length

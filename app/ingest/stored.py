"""Arrays streamed to disk: each file opened once, chunks appended in order."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import LAYOUT


class ArrayFile:
    """Appends chunks to `<folder>/<name>.bin` in the dtype of its layout. The file appears with its first chunk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.bin"
        self.dtype = np.dtype(LAYOUT[name])
        self._file = self.path.open("xb", buffering=0)

    def add(self, chunk: NDArray[np.generic]) -> None:
        """Append `chunk`, row-major. Raises OSError where the disk is full or the limit on output is reached."""
        view = np.ascontiguousarray(chunk, self.dtype).data.cast("B") if chunk.size else memoryview(b"")
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

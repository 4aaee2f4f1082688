"""NPZ archives: `x` as rows of numbers or as pictures, `y` as classes or numbers."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import ColumnType, DatasetSchema, Kind, ReadRequest, Warning
from app.errors import FieldError, InvalidDataset, TooLarge, shown
from app.ingest import archives, labels
from app.ingest.assemble import stored
from app.ingest.convert import dictionary
from app.ingest.faults import BadCell, column_fault
from app.ingest.limits import Limits
from app.ingest.npy import Array, array
from app.ingest.stacks import read_stack
from app.ingest.table import Field, Look, Part
from app.ingest.typed import checked, number_texts

_MEMBERS = ("x.npy", "y.npy")
_CHUNK_BYTES = 8 << 20


def read_npz(source: Path, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read an NPZ archive into `output`. Raises InvalidDataset and TooLarge."""
    if request.target not in (None, labels.TARGET):
        message = f"The target of an NPZ archive is its array y, not '{shown(request.target)}'."
        raise InvalidDataset(message, errors=(FieldError("/target", message, shown(request.target)),))
    with ExitStack() as stack:
        archive = stack.enter_context(archives.opened(source, limits))
        entries = _entries(archive)
        y = labels.flat(stack.enter_context(array(archive, entries["y.npy"])).whole())
        x = stack.enter_context(array(archive, entries["x.npy"]))
        if x.shape[0] != len(y):
            raise InvalidDataset(f"The array x has {x.shape[0]:,} rows and y has {len(y):,}; they must agree.")
        if x.dtype.kind not in "biuf":
            raise InvalidDataset(f"The array x must hold numbers; it holds {x.dtype.name}.")
        if len(y) < 2:
            raise InvalidDataset(f"At least two rows are needed; received {len(y)}.")
        request = labels.settled(request, y)
        if len(x.shape) == 2:
            return stored(ArrayTable(x, y, request, limits), output, request, limits, Kind.ARRAY)
        return read_stack(x, y, output, request, limits)


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if sorted(entries) != sorted(_MEMBERS):
        held = shown(", ".join(name.removesuffix(".npy") for name in entries), 200)
        raise InvalidDataset(f"An NPZ archive must hold the arrays x and y and no others; this one holds {held}.")
    return entries


class ArrayTable:
    """`x` of shape [rows, columns] as columns `x0`, `x1` and so on, and `y`."""

    def __init__(self, x: Array, y: NDArray[np.generic], request: ReadRequest, limits: Limits) -> None:
        width = x.shape[1]
        if width > limits.columns:
            raise TooLarge(f"The array x has {width:,} columns; a dataset may have {limits.columns:,}.")
        self.names: Sequence[str] = [*(f"x{place}" for place in range(width)), labels.TARGET]
        self.warnings: Sequence[Warning] = ()
        for name, asked in request.columns.items():
            if name != labels.TARGET and asked.type in ("boolean", "date"):
                raise column_fault(name, "columns of an array are read as numeric or categorical")
        self._x, self._y, self._limits = x, y, limits

    def looks(self) -> list[Look]:
        """Numbers all of them: that they are, the array's type says."""
        rows = len(self._y)
        features = [Look(name, ColumnType.NUMERIC, rows) for name in self.names[:-1]]
        return [*features, labels.look_at(self._y)]

    def parts(self, fields: Sequence[Field]) -> Iterator[list[Part]]:
        """The array's rows, some megabytes at a time."""
        *features, target = fields
        places = [int(field.name[1:]) for field in features]
        before = 0
        for chunk in self._x.chunks(_CHUNK_BYTES):
            known = self._y[before : before + len(chunk)]
            try:
                columns = [_column(chunk[:, at], field) for at, field in zip(places, features, strict=True)]
                yield [*columns, labels.part(known, target, self._limits)]
            except BadCell as error:
                raise error.at(before) from None
            before += len(chunk)


def _column(values: NDArray[np.generic], field: Field) -> Part:
    numbers = checked(np.ascontiguousarray(values, np.float64), field.name)
    return numbers if field.numeric else dictionary(number_texts(numbers))

"""Pictures and their labels, streamed to disk."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import Column, ColumnType, DatasetSchema, Kind, ReadRequest, Task, Warning
from app.errors import FieldError, InvalidDataset
from app.ingest.faults import column_fault
from app.ingest.findings import check, findings
from app.ingest.limits import Limits
from app.ingest.profile import bound
from app.ingest.stored import ArrayFile
from app.ingest.table import Field, Part, Plan
from app.ingest.writer import Writer

PICTURE = "picture"


class PictureWriter:
    """Stores pictures, `pixels` and `shapes`, with a target each. Use as a context manager."""

    def __init__(self, folder: Path, target: Field, limits: Limits) -> None:
        self._limits = limits
        with ExitStack() as stack:
            self._pixels = stack.enter_context(closing(ArrayFile(folder, "pixels")))
            self._shapes = stack.enter_context(closing(ArrayFile(folder, "shapes")))
            self._targets = stack.enter_context(closing(Writer(folder, Plan((), target), limits)))
            self._stack = stack.pop_all()
        self._target = target

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, pictures: Sequence[NDArray[np.uint8]], targets: Part) -> None:
        """Store pictures, each uint8 [height, width, 3], and their targets, none of which is missing."""
        for picture in pictures:
            self._pixels.add(picture)
        self._shapes.add(np.array([picture.shape[:2] for picture in pictures], np.int32).reshape(-1, 2))
        self._targets.add([targets])
        bound(self._targets.rows, self._limits.pictures)

    def schema(self, kind: Kind, warnings: Sequence[Warning] = ()) -> DatasetSchema:
        """The finished dataset. Raises InvalidDataset where nothing can be learned from it."""
        (target,) = self._targets.columns()
        task = Task.REGRESSION if self._target.numeric else Task.CLASSIFICATION
        check(target, task, self._targets.rows)
        found = findings((), target, task, self._targets.rows, 0)
        picture = Column(name=PICTURE, type=ColumnType.PICTURE, place=0)
        return DatasetSchema(
            kind=kind,
            task=task,
            rows=self._targets.rows,
            features=(picture,),
            target=target,
            warnings=(*warnings, *found),
        )


def check_request(request: ReadRequest, target: str) -> None:
    """Raise InvalidDataset where the request asks pictures for what they have not: other columns, another target."""
    if request.target not in (None, target):
        message = f"The target of this file is always '{target}'."
        raise InvalidDataset(message, errors=(FieldError("/target", message, request.target),))
    for name, asked in request.columns.items():
        if name not in (PICTURE, target):
            raise column_fault(name, f"there is no such column; the columns are {PICTURE}, {target}")
        if asked.role == "ignore" or (name == PICTURE and asked.type is not None):
            raise column_fault(name, "it cannot be ignored or read as another type")

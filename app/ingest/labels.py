"""The target of an NPZ archive, `y`: classes or numbers, whatever way they are written."""

import sys

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import ColumnType, ReadRequest
from app.errors import InvalidDataset
from app.ingest import arrow
from app.ingest.arrow import Cells
from app.ingest.convert import dictionary
from app.ingest.infer import numeric
from app.ingest.limits import Limits
from app.ingest.table import Field, Look, Part, Texts
from app.ingest.typed import checked, number_texts

TARGET = "y"


def flat(labels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Labels as one axis: [n] as they are, [n, 1] flattened, [n, classes] one-hot as the place of the 1."""
    if labels.ndim == 1:
        return labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels.reshape(-1)
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        numbers = labels.astype(np.float64)
        wrong = ((numbers != 0) & (numbers != 1)).any(axis=1) | (numbers.sum(axis=1) != 1)
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise InvalidDataset(f"The array y has two axes, and row {row} is not one-hot: a single 1 among zeros.")
        places: NDArray[np.generic] = np.argmax(numbers, axis=1)
        return places
    raise InvalidDataset(f"The array y has the shape {labels.shape}; expected [rows], [rows, 1] or one-hot rows.")


def look_at(labels: NDArray[np.generic]) -> Look:
    """A look at labels, one axis."""
    if labels.dtype.kind in "US":
        return Look(TARGET, ColumnType.CATEGORICAL, len(labels))
    if labels.dtype.kind == "b":
        return Look(TARGET, ColumnType.BOOLEAN, len(labels), distinct=2, spellings=("false", "true"))
    return numeric(TARGET, labels.astype(np.float64))


def settled(request: ReadRequest, labels: NDArray[np.generic]) -> ReadRequest:
    """The request, in which labels of a whole-number type are classes unless something else is asked for."""
    asked = request.columns.get(TARGET)
    if labels.dtype.kind in "iu" and request.task == "auto" and (asked is None or asked.type is None):
        return request.model_copy(update={"task": "classification"})
    return request


def part(labels: NDArray[np.generic], field: Field, limits: Limits) -> Part:
    """Labels of some rows, one axis, as the field asks. Raises BadCell."""
    if field.numeric:
        return checked(labels.astype(np.float64), TARGET)
    if labels.dtype.kind in "US":
        texts = dictionary(_texts(labels))
    elif labels.dtype.kind == "b":
        texts = Texts(labels.astype(np.int32), ["false", "true"])
    else:
        texts = dictionary(number_texts(checked(labels.astype(np.float64), TARGET)))
    if any(text is not None and len(text) > limits.category_characters for text in texts.values):
        raise InvalidDataset(f"A label has more than {limits.category_characters:,} characters.")
    return texts


def _texts(labels: NDArray[np.generic]) -> Cells:
    invalid = InvalidDataset("The array y holds texts that are not valid Unicode.")
    # Four bytes a character, whatever they hold: Python's texts of what is no character are not sound.
    if labels.dtype.kind == "U" and np.ascontiguousarray(labels).view(np.uint32).max(initial=0) > sys.maxunicode:
        raise invalid
    try:
        return arrow.column(labels.astype(np.str_).tolist())
    except UnicodeError:
        raise invalid from None

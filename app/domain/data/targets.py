"""The target of stored rows, as a model's outputs have it."""

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.preprocessing import ClassTarget, NumberTarget, Target
from app.domain.data.split import Rows
from app.domain.task import Task
from app.errors import FieldError, InvalidDataset, shown


def target_column(columns: Columns) -> NDArray[np.int32] | NDArray[np.float64]:
    """The dataset's own target, [rows]: class codes int32, or numbers float64."""
    place = columns.schema.target.place
    return columns.codes[:, place] if columns.schema.task is Task.CLASSIFICATION else columns.numbers[:, place]


def check_target(target: Target, columns: Columns) -> None:
    """Raises `InvalidDataset` unless the dataset has the model's target: its name, its task, and no unknown class."""
    given = columns.schema.target.name
    if given != target.name:
        raise InvalidDataset(
            f"this dataset's target is {shown(given)!r}; the run trains on {shown(target.name)!r}",
            code="target_mismatch",
            errors=(FieldError("/target", f"must be {shown(target.name)}", shown(given)),),
        )
    if target.type == "classes":
        class_targets(target, columns, np.arange(0))
    else:
        number_targets(columns, np.arange(0))


def class_targets(target: ClassTarget, columns: Columns, rows: Rows) -> NDArray[np.int64]:
    """Indices into `target.labels` of the stored rows `rows`, int64 [n], matched by label.

    The dataset need not be the one that was trained on. Raises `InvalidDataset` where it has classes that the model
    does not know, or numbers for a target.
    """
    _require(columns, Task.CLASSIFICATION)
    known = {label: index for index, label in enumerate(target.labels)}
    unknown = [label for label in columns.schema.classes if label not in known]
    if unknown:
        raise InvalidDataset(
            f"the model has no class {shown(unknown[0])!r}; it knows {', '.join(map(shown, target.labels[:20]))}",
            code="class_unknown",
            errors=tuple(FieldError("/target", "is no class of the model", shown(label)) for label in unknown[:20]),
        )
    lookup = np.array([known[label] for label in columns.schema.classes], dtype=np.int64)
    codes: NDArray[np.int32] = columns.codes[rows, columns.schema.target.place]
    return np.take(lookup, codes)


def number_targets(columns: Columns, rows: Rows) -> NDArray[np.float64]:
    """The stored rows' target in its own units, float64 [n]. Raises `InvalidDataset` where it is classes."""
    _require(columns, Task.REGRESSION)
    values: NDArray[np.float64] = columns.numbers[rows, columns.schema.target.place]
    return values


def standardized(target: NumberTarget, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the network learns, float32 [n, 1]: (y - mean) / deviation."""
    return ((values - target.scale.mean) / target.scale.deviation).astype(np.float32)[:, None]


def _require(columns: Columns, task: Task) -> None:
    if columns.schema.task is not task:
        raise InvalidDataset(
            f"the model answers a {task}; this dataset's target {columns.schema.target.name!r} is for "
            f"{columns.schema.task}",
            code="task_mismatch",
            errors=(FieldError("/target", f"must be for {task}", str(columns.schema.task)),),
        )

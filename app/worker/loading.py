"""Stored columns, their digests checked, as the tensors that training reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from app.domain.data.columns import Columns
from app.domain.data.pictures import center_features, stored_pixels
from app.domain.data.split import Rows
from app.domain.data.stored import encode_columns
from app.domain.data.targets import class_targets, number_targets, standardized
from app.domain.plan.preparation import Preparation
from app.domain.training.data import TrainingData
from app.storage import datasets
from app.storage.blobs import Blobs, StoredFile
from app.worker.orders import Order, StoredColumns, schema_of


@dataclass(frozen=True, slots=True)
class Loaded:
    """The dataset of an order, and the other one that it validates on, if any."""

    columns: Columns
    validation: Columns | None

    def tensors(self, prepared: Preparation) -> tuple[TrainingData, TrainingData]:
        """Training rows and validation rows, encoded; pictures stay 8-bit."""
        return (
            _encoded(prepared, self.of(validation=False), prepared.training_rows),
            _encoded(prepared, self.of(validation=True), prepared.validation_rows),
        )

    def of(self, *, validation: bool) -> Columns:
        """Where training rows, or validation rows, lie."""
        return self.validation if validation and self.validation is not None else self.columns


def load(order: Order, pulse: Callable[[], None]) -> Loaded:
    """Opens an order's datasets; `pulse` is called while it goes on.

    Raises `Damaged` for a file that is not as recorded, `NotFound` for one gone.
    """
    blobs = Blobs(Path(order.data_dir))
    other = order.validation
    return Loaded(open_stored(blobs, order.data, pulse), None if other is None else open_stored(blobs, other, pulse))


def open_stored(blobs: Blobs, stored: StoredColumns, pulse: Callable[[], None]) -> Columns:
    """A dataset's columns, mapped into memory once their digests are checked; raises as `load` does."""
    files = [StoredFile(key, int(size), str(digest)) for key, (size, digest) in stored.files.items()]
    for file in files:
        blobs.check(file)
        pulse()
    return datasets.open_columns(blobs, schema_of(stored), files)


def _encoded(prepared: Preparation, columns: Columns, rows: Rows) -> TrainingData:
    preprocessing = prepared.preprocessing
    targets = _targets(prepared, columns, rows)
    if preprocessing.picture is None:
        return TrainingData(torch.from_numpy(encode_columns(preprocessing, columns, rows)), targets)
    pixels = torch.from_numpy(stored_pixels(preprocessing.picture, columns, rows))
    center = torch.from_numpy(center_features(preprocessing.picture))
    return TrainingData(pixels.reshape(len(rows), *preprocessing.input_shape), targets, center)


def _targets(prepared: Preparation, columns: Columns, rows: Rows) -> Tensor:
    target = prepared.preprocessing.target
    if target.type == "classes":
        return torch.from_numpy(class_targets(target, columns, rows))
    return torch.from_numpy(standardized(target, number_targets(columns, rows))[:, 0])

"""Training rows in memory, and how batches of them become float32 tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from app.domain.task import Task


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows to train on or to measure with; there may be none.

    `features` is float32 [rows, *input_shape], or uint8 of the same shape (pictures: divided by 255 when used).
    `targets` is int64 [rows] of class indices, or float32 [rows] of standardised numbers. `center`, float32
    [*input_shape], is subtracted of uint8 features once they are divided.
    """

    features: Tensor
    targets: Tensor
    center: Tensor | None = None

    @property
    def rows(self) -> int:
        return len(self.targets)

    @property
    def task(self) -> Task:
        return Task.REGRESSION if self.targets.is_floating_point() else Task.CLASSIFICATION

    def chunks(self, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in their order, at most `size` at a time."""
        for start in range(0, self.rows, size):
            yield self.part(start, start + size, device)

    def part(self, start: int, stop: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Rows `start` to `stop`: float32 features and targets."""
        features = self.features[start:stop].to(device)
        if features.dtype == torch.uint8:
            features = features.to(torch.float32).div_(255)
        if self.center is not None:
            features = features - self.center.to(device)
        return features, self.targets[start:stop].to(device)


class BatchReader:
    """Gathers batches into memory of its own, which it uses again: to allocate it anew would cost more than to fill it.

    So a batch is good until the next one is read.
    """

    def __init__(self, data: TrainingData, largest_batch: int, device: torch.device) -> None:
        self._data = data
        self._device = device
        self._gathered = torch.empty((largest_batch, *data.features.shape[1:]), dtype=data.features.dtype)
        self._scaled = torch.empty_like(self._gathered, dtype=torch.float32) if self._is_bytes() else None

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The rows with these indices (int64 [n], n at most `largest_batch`): float32 features and targets."""
        features = self._gathered[: len(rows)]
        torch.index_select(self._data.features, 0, rows, out=features)
        if self._scaled is not None:
            features = self._scaled[: len(rows)].copy_(features).div_(255)
            if self._data.center is not None:
                features = features.sub_(self._data.center)
        return features.to(self._device), self._data.targets[rows].to(self._device)

    def _is_bytes(self) -> bool:
        return self._data.features.dtype == torch.uint8

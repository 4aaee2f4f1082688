"""Metrics as sums over rows, kept in tensors so that no step waits for a number."""

import math

import torch
from torch import Tensor

from app.domain.training.build import Network
from app.domain.training.data import TrainingData
from app.domain.training.losses import Objective

Metrics = dict[str, float]


class MetricSums:
    """Sums over the rows seen since the last `reset`. `totals` (float64 [5]) and `rows` are their whole state.

    For classes: loss, right answers. For numbers: loss, absolute errors, squared errors, targets, squared targets.
    """

    def __init__(self, *, classes: bool, target_scale: float, device: torch.device) -> None:
        self.totals = torch.zeros(5, dtype=torch.float64, device=device)
        self.rows = 0
        self._classes = classes
        self._target_scale = target_scale
        self._loss, self._first, self._second, self._third, self._fourth = self.totals.unbind()

    def reset(self) -> None:
        self.totals.zero_()
        self.rows = 0

    def add(self, logits: Tensor, targets: Tensor, loss: Tensor) -> None:
        """Adds a batch: `logits` [n, outputs], `targets` [n], and its mean `loss`; none may require a gradient."""
        self.rows += len(targets)
        self._loss.add_(loss, alpha=len(targets))
        if self._classes:
            self._first.add_((_decided(logits) == targets).sum())
            return
        errors = logits.squeeze(-1).to(torch.float64) - targets
        numbers = targets.to(torch.float64)
        self._first.add_(errors.abs().sum())
        self._second.add_(errors.square().sum())
        self._third.add_(numbers.sum())
        self._fourth.add_(numbers.square().sum())

    def metrics(self) -> Metrics:
        """`loss`, and `accuracy` or the errors in the target's own units and `r2`. At least one row was added."""
        loss, first, squared_errors, targets, squared_targets = self.totals.tolist()
        if self._classes:
            return {"loss": loss / self.rows, "accuracy": first / self.rows}
        return {
            "loss": loss / self.rows,
            "mean_absolute_error": self._target_scale * first / self.rows,
            "root_mean_squared_error": self._target_scale * math.sqrt(squared_errors / self.rows),
            "r2": _explained(squared_errors, squared_targets - targets * targets / self.rows),
        }


def measure(network: Network, data: TrainingData, objective: Objective, sums: MetricSums, chunk_rows: int) -> Metrics:
    """The metrics of `data` in eval mode, at most `chunk_rows` rows at a time; empty where there are no rows."""
    if data.rows == 0:
        return {}
    sums.reset()
    network.eval()
    with torch.inference_mode():
        for features, targets in data.chunks(chunk_rows, sums.totals.device):
            logits = network(features)
            sums.add(logits, targets, objective.mean(logits, targets))
    return sums.metrics()


def _decided(logits: Tensor) -> Tensor:
    return logits.squeeze(-1) > 0 if logits.shape[-1] == 1 else logits.argmax(-1)


def _explained(residual: float, total: float) -> float:
    # Constant targets have no variance to explain; the two answers are scikit-learn's.
    if total <= 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total

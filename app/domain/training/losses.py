"""The losses, on logits: one function for what the optimiser sees and for what is measured in eval mode."""

import torch
from torch import Tensor
from torch.nn import functional

from app.domain.plan.settings import Loss


class Objective:
    """The mean loss of a batch, under a name of `Loss` that is not "auto".

    `class_weights` is float32 [classes] or None; a row's loss is multiplied by its class's weight, and the mean is
    over rows, as in Keras's training. Unlike there, rows measured in eval mode are weighed alike, so that the losses
    of an epoch differ by mode and rows alone. With `label_smoothing` s a true class counts 1 - s + s / classes and
    each other one s / classes (Szegedy et al. 2016, section 7).
    """

    def __init__(self, name: Loss, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        self._name = name
        self._class_weights = class_weights
        self._label_smoothing = label_smoothing

    def mean(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss, of shape [], for `logits` [n, outputs] and `targets` [n]."""
        if self._class_weights is None:
            return self._loss(logits, targets, "mean")
        return (self._loss(logits, targets, "none") * self._class_weights[targets]).mean()

    def _loss(self, logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
        if self._name == "cross_entropy":
            return functional.cross_entropy(logits, targets, reduction=reduction, label_smoothing=self._label_smoothing)
        answers = logits.squeeze(-1)
        if self._name == "binary_cross_entropy":
            smoothed = targets * (1 - self._label_smoothing) + self._label_smoothing / 2
            return functional.binary_cross_entropy_with_logits(answers, smoothed, reduction=reduction)
        if self._name == "mean_absolute_error":
            return functional.l1_loss(answers, targets, reduction=reduction)
        if self._name == "huber":
            return functional.huber_loss(answers, targets, reduction=reduction)
        return functional.mse_loss(answers, targets, reduction=reduction)


def balanced_weights(targets: Tensor, classes: int) -> Tensor:
    """Float32 [classes]: rows / (classes × rows of the class), for `targets` int64 [rows] (King & Zeng 2001).

    A class without a training row weighs as one with a single row.
    """
    counts = torch.bincount(targets, minlength=classes).clamp_(min=1)
    return (len(targets) / (classes * counts.to(torch.float64))).to(torch.float32)

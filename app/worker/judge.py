"""Judges networks on a run's rows by what would be served: every measure is of a frozen network's answers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.data.split import Rows
from app.domain.data.stored import encode_columns
from app.domain.data.targets import class_targets
from app.domain.inference.calibration import Fit, fit_temperature
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.judging import judged, truth_of
from app.domain.inference.reliability import calibration
from app.domain.plan.preparation import Preparation
from app.domain.training.build import Network
from app.domain.training.parity import MOST_ROWS, reference_logits
from app.worker.loading import Loaded
from app.worker.orders import Order

CHUNK_VALUES = 1 << 22
MOST_LOGITS = 1 << 21
"""A temperature is fitted on no more logits than these: on fewer rows, spread evenly, where there are more."""
Evaluations = dict[str, Any]


class Judge:
    """`pulse` is called while judging goes on."""

    def __init__(self, order: Order, loaded: Loaded, prepared: Preparation, pulse: Callable[[], None]) -> None:
        self._order, self._loaded, self._prepared, self._pulse = order, loaded, prepared, pulse
        self._target = prepared.preprocessing.target

    def fit(self, network: Network) -> Fit:
        """The temperature of `network`, fitted on the held-out rows; 1 for a regression. Leaves it in eval mode."""
        if self._target.type != "classes":
            return Fit(1.0)
        rows = _spread(self._prepared.validation_rows, MOST_LOGITS // len(self._target.labels))
        if not len(rows):
            return Fit(1.0, "no_held_out_rows")
        logits = np.concatenate([reference_logits(network, part) for part in self._features(rows, validation=True)])
        # One sigmoid unit is the second of two classes, beside a logit of 0.
        both = np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits
        return fit_temperature(both, class_targets(self._target, self._loaded.of(validation=True), rows))

    def evaluations(self, frozen: FrozenNetwork, fit: Fit | None = None) -> Evaluations:
        """`train_eval`; `validation` where rows are held out; `calibration` for a classifier whose `fit` is given."""
        evaluations: Evaluations = {
            "train_eval": self._scores(self._answers(frozen, validation=False), validation=False)
        }
        answers = self._answers(frozen, validation=True)
        if len(answers):
            evaluations["validation"] = self._scores(answers, validation=True)
        if fit is not None and self._target.type == "classes":
            raw = answers if frozen.temperature == 1 else self._answers(frozen, validation=True, calibrated=False)
            targets = class_targets(self._target, self._loaded.of(validation=True), self._prepared.validation_rows)
            evaluations["calibration"] = calibration(fit, raw, answers, targets)
        return evaluations

    def proof_features(self) -> NDArray[np.float32]:
        """The rows to prove a frozen network on: held-out ones where there are any."""
        validation = len(self._prepared.validation_rows) > 0
        rows = _spread(self._rows(validation=validation), MOST_ROWS)
        return encode_columns(self._prepared.preprocessing, self._loaded.of(validation=validation), rows)

    def _scores(self, answers: NDArray[np.float32], *, validation: bool) -> Evaluations:
        columns, rows = self._loaded.of(validation=validation), self._rows(validation=validation)
        return judged(self._target, self._order.settings.loss, answers, truth_of(self._target, columns, rows))

    def _answers(self, frozen: FrozenNetwork, *, validation: bool, calibrated: bool = True) -> NDArray[np.float32]:
        chunks = self._features(self._rows(validation=validation), validation=validation)
        none = np.empty((0, frozen.outputs), np.float32)
        return np.concatenate([none, *(frozen.answer(features, calibrated=calibrated) for features in chunks)])

    def _rows(self, *, validation: bool) -> Rows:
        return self._prepared.validation_rows if validation else self._prepared.training_rows

    def _features(self, rows: Rows, *, validation: bool) -> Iterator[NDArray[np.float32]]:
        """The encoded rows, so many at a time that memory stays flat."""
        step = max(1, CHUNK_VALUES // int(np.prod(self._prepared.spec.input_shape or ())))
        columns = self._loaded.of(validation=validation)
        for start in range(0, len(rows), step):
            yield encode_columns(self._prepared.preprocessing, columns, rows[start : start + step])
            self._pulse()


def _spread(rows: Rows, most: int) -> Rows:
    """At most `most` of `rows`, spread evenly over them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)] if len(rows) else rows

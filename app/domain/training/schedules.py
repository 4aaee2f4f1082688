"""How the learning rate moves. All but the plateau are functions of the step alone, so they hold no state."""

import math
from dataclasses import dataclass

from app.domain.plan.settings import Schedule

# Both torch's and Keras's defaults of ReduceLROnPlateau.
_PLATEAU_FACTOR = 0.1
_PLATEAU_PATIENCE = 10
_PLATEAU_THRESHOLD = 1e-4


def scheduled_rate(schedule: Schedule, highest: float, step: int, horizon: int) -> float:
    """The learning rate of optimisation step `step` (from 0) of `horizon`; past the horizon it stays where it ended.

    "cosine": Loshchilov & Hutter 2017, Eq. 5, one cycle down to 0. "one_cycle": Smith & Topin 2018 with cosine
    slopes, from highest / 25 up over the first 30 % and down to highest / 250,000.
    """
    if schedule == "cosine":
        return _cosine(highest, 0.0, min(step / horizon, 1.0))
    if schedule == "one_cycle":
        top, end = 0.3 * horizon - 1, horizon - 1
        if step < top:
            return _cosine(highest / 25, highest, step / top)
        return _cosine(highest, highest / 25e4, min((step - top) / (end - top), 1.0))
    return highest


@dataclass(slots=True)
class Plateau:
    """Divides the rate by ten when a loss has not fallen by a ten-thousandth of itself for more than ten epochs."""

    factor: float = 1.0
    lowest: float | None = None
    waited: int = 0

    def observe(self, loss: float) -> None:
        if self.lowest is None or loss < self.lowest * (1 - _PLATEAU_THRESHOLD):
            self.lowest, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > _PLATEAU_PATIENCE:
            self.factor, self.waited = self.factor * _PLATEAU_FACTOR, 0


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2

"""How often a model in memory was executed, and for how many rows: their ratio is how micro-batches show."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

from app.serving.predictor import Predictor


class Executed(NamedTuple):
    """Since the model was loaded."""

    times: int
    rows: int


NEVER = Executed(0, 0)


class Executions:
    """Lives on one event loop; a model that leaves the memory is forgotten."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Predictor, Executed] = WeakKeyDictionary()

    def add(self, predictor: Predictor, rows: int) -> None:
        """One execution more."""
        times, before = self._of.get(predictor, NEVER)
        self._of[predictor] = Executed(times + 1, before + rows)

    def of(self, predictor: Predictor | None) -> Executed:
        return NEVER if predictor is None else self._of.get(predictor, NEVER)

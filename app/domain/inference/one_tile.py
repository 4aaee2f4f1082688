"""A frozen network with a tile of memory of its own, bound to the executor once: what few rows cost least with."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.domain.inference.tiles import Floats

Rows = TypeVar("Rows", NDArray[np.float32], NDArray[np.uint8] | NDArray[np.float32])
Write = Callable[[Rows, Floats], None]


def copied(rows: Floats, tile: Floats) -> None:
    """Writes rows that are as the network takes them."""
    tile[:] = rows


class OneTile:
    """Answers tile by tile, of `rows` rows each. For one thread alone: each call writes over what the last one left."""

    def __init__(
        self, session: onnxruntime.InferenceSession, rows: int, shape: tuple[int, ...], output: str, outputs: int
    ) -> None:
        self.rows = rows
        self._session = session
        self._features = np.zeros((rows, *shape), np.float32)
        self._answers = np.zeros((rows, outputs), np.float32)
        self._used = 0
        self._binding = session.io_binding()
        features, answers = self._features, self._answers
        (source,) = session.get_inputs()
        self._binding.bind_input(source.name, "cpu", 0, np.float32, features.shape, features.ctypes.data)
        self._binding.bind_output(output, "cpu", 0, np.float32, answers.shape, answers.ctypes.data)

    def answer(self, parts: Sequence[Rows], write: Write[Rows]) -> Floats | None:
        """Float32 [n, outputs] for `parts` of some rows each, one behind the other: n rows together.

        `write` puts rows into the tile as the network takes them, [some, *shape]. None where an answer is not a finite
        number.
        """
        count = sum([len(part) for part in parts])
        answers = np.empty((count, self._answers.shape[1]), np.float32)
        used = done = 0
        for part in parts:
            start = 0
            while start < len(part):
                taken: Rows = part[start : start + self.rows - used]
                write(taken, self._features[used : used + len(taken)])
                used, start = used + len(taken), start + len(taken)
                if used == self.rows or done + used == count:
                    self._execute(used)
                    answers[done : done + used] = self._answers[:used]
                    done, used = done + used, 0
        # A sum is finite where all of them are, and not too large.
        if math.isfinite(answers.sum()) or np.isfinite(answers).all():
            return answers
        return None

    def _execute(self, used: int) -> None:
        """Answers the tile, of which `used` rows are filled; those behind them are zeros."""
        if used < self._used:
            self._features[used : self._used] = 0
        self._used = used
        self._session.run_with_iobinding(self._binding)

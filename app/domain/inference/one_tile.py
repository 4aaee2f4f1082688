"""A frozen network with a tile of memory of its own, bound to the executor once: what few rows cost least with."""

import math

import numpy as np
import onnxruntime

from app.domain.inference.tiles import Floats


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

    def answer(self, features: Floats) -> Floats | None:
        """Float32 [n, outputs] for `features` [n, *shape]; None where an answer is not a finite number."""
        count = len(features)
        answers = np.empty((count, self._answers.shape[1]), np.float32)
        for start in range(0, count, self.rows):
            part = features[start : start + self.rows]
            used = len(part)
            self._features[:used] = part
            if used < self._used:
                self._features[used : self._used] = 0
            self._used = used
            self._session.run_with_iobinding(self._binding)
            answers[start : start + used] = self._answers[:used]
        # A sum is finite where all of them are, and not too large.
        if math.isfinite(answers.sum()) or np.isfinite(answers).all():
            return answers
        return None

"""Answers as JSON text. A float32 is written with as many digits as tell it apart, and no more.

By hand: a row's text would else cost more than its network, every number becoming an object first.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from orjson import OPT_SERIALIZE_NUMPY, dumps

Values = NDArray[np.float32]


class Printer:
    """For the classes `labels`, or for numbers (None). All `values` are float32 [n, outputs] and finite."""

    def __init__(self, labels: tuple[str, ...] | None) -> None:
        self.labels = labels or ()
        names = [dumps(label).decode().replace("%", "%%") for label in self.labels]
        self._names = names
        self._short = [f'{{"label":{name},"probability":%s}}' for name in names]
        every = ",".join(f"{name}:%s" for name in names)
        self._whole = [f'{{"label":{name},"probability":%s,"probabilities":{{{every}}}}}' for name in names]

    def objects(self, values: Values, *, probabilities: bool, top: int | None) -> list[str]:
        """One JSON object a row. `top` keeps the most probable classes alone, most probable first."""
        if not self.labels:
            return [f'{{"value":{text}}}' for (text,) in texts(values)]
        # The first of equals, as `argmax` has it.
        best = [row.index(max(row)) for row in values.tolist()]
        rows = texts(values)
        if not probabilities:
            return [self._short[index] % row[index] for index, row in zip(best, rows, strict=True)]
        if top is None:
            return [self._whole[index] % (row[index], *row) for index, row in zip(best, rows, strict=True)]
        ranked = np.argsort(-values, axis=1, kind="stable")[:, :top].tolist()
        return [self._ranked(order, row) for order, row in zip(ranked, rows, strict=True)]

    def _ranked(self, order: Sequence[int], row: Sequence[str]) -> str:
        kept = ",".join(f"{self._names[index]}:%s" for index in order) % tuple(row[index] for index in order)
        return f'{self._short[order[0]][:-1] % row[order[0]]},"probabilities":{{{kept}}}}}'


def texts(values: Values) -> list[list[str]]:
    """Each value of float32 [n, m] as text, row by row."""
    whole = dumps(values, option=OPT_SERIALIZE_NUMPY)[2:-2].decode()
    return [row.split(",") for row in whole.split("],[")]

"""Answers as CSV: the same bytes, whether they are made in one piece or block after block."""

import numpy as np
from orjson import OPT_SERIALIZE_NUMPY, dumps

from app.serving.csv_text import cell_text
from app.serving.printing import Values

LINE_END = b"\r\n"


class CsvAnswers:
    """Columns `label`, `probability` and, with `probabilities`, `probability_<class>` of each class; or `value`.

    `labels` are the classes, None for numbers. A class that `top` leaves out has an empty cell. Numbers are written as
    in JSON answers.
    """

    def __init__(self, labels: tuple[str, ...] | None, *, probabilities: bool = True, top: int | None = None) -> None:
        self._labels = None if labels is None else [cell_text(label).encode() + b"," for label in labels]
        self._probabilities = probabilities
        self._kept = top if probabilities and labels is not None and top is not None and top < len(labels) else None
        self.columns = columns_of(labels, probabilities=probabilities)

    @property
    def header(self) -> bytes:
        """The first line."""
        return ",".join(map(cell_text, self.columns)).encode() + LINE_END

    def lines(self, values: Values) -> bytes:
        """A line for each answer of float32 [n, outputs], all of them finite."""
        if not len(values):
            return b""
        if self._labels is None:
            return LINE_END.join(_rows(values)) + LINE_END
        best = values.argmax(axis=1)
        highest = values[np.arange(len(values)), best][:, None]
        rows = _rows(np.concatenate([highest, values], axis=1) if self._probabilities else highest)
        if self._kept is not None:
            rows = _without(rows, np.argsort(-values, axis=1, kind="stable")[:, : self._kept])
        lines = [self._labels[index] + row for index, row in zip(best.tolist(), rows, strict=True)]
        return LINE_END.join(lines) + LINE_END


def columns_of(labels: tuple[str, ...] | None, *, probabilities: bool) -> list[str]:
    """The names of an answer's columns, as tables have them."""
    if labels is None:
        return ["value"]
    return ["label", "probability", *(f"probability_{label}" for label in labels if probabilities)]


def _rows(values: Values) -> list[bytes]:
    whole: bytes = dumps(np.ascontiguousarray(values), option=OPT_SERIALIZE_NUMPY)
    return whole[2:-2].split(b"],[")


def _without(rows: list[bytes], kept: np.ndarray[tuple[int, int], np.dtype[np.intp]]) -> list[bytes]:
    """The rows with empty cells for the classes that are not `kept`, intp [n, top]."""
    shown = []
    for row, order in zip(rows, kept.tolist(), strict=True):
        highest, *cells = row.split(b",")
        shown.append(b",".join([highest, *(cell if index in order else b"" for index, cell in enumerate(cells))]))
    return shown

"""The short way to read a prediction's JSON: rows of numbers straight into an array, others by a fast parser.

Nothing is refused here. What is not plainly right is left to the strict reader (`app.web.strict_json`), which says
what is wrong; whatever these answer, it would have read the same.
"""

import numpy as np
from numpy.typing import NDArray
from orjson import JSONDecodeError, loads
from simdjson import Array, Object, Parser

from app.domain.data.cells import within_float32

_LONG_BYTES = 4_096
SMALL_BYTES = 1 << 20
"""A parser keeps room for the largest body that it ever read: larger ones get one of their own."""


class JsonRows:
    """Not to be shared between threads, but for `document`."""

    def __init__(self) -> None:
        self._parser = Parser()

    def numbers(self, body: bytes, width: int) -> NDArray[np.float64] | None:
        """Float64 [n, width] of `{"instances": [[…], …]}`, n at least 1, all of them within float32.

        None for anything else: other fields, nulls, texts, rows of another length, rows in objects.
        """
        if not body.startswith(b"{"):
            return None
        parser = self._parser if len(body) <= SMALL_BYTES else Parser()
        try:
            return _numbers(parser, body, width)
        except (TypeError, ValueError, RuntimeError, KeyError):
            # Its own words for: not of this form, no JSON, an integer past 64 bits, too deep.
            return None


def _numbers(parser: Parser, body: bytes, width: int) -> NDArray[np.float64] | None:
    document = parser.parse(body)
    if not isinstance(document, Object) or len(document) != 1:
        return None
    rows = document["instances"]
    # A buffer is flat, so that rows of other lengths, or within rows, would pass unseen.
    if not isinstance(rows, Array) or _count(body, b"[") != len(rows) + 1:
        return None
    for row in rows:
        if not isinstance(row, Array) or len(row) != width:
            return None
    numbers = np.frombuffer(rows.as_buffer(of_type="d"), np.float64)
    if not len(numbers) or not within_float32(numbers):
        return None
    return numbers.reshape(-1, width)


def document(body: bytes) -> dict[str, object] | None:
    """A JSON object of rows in objects, or in arrays with nulls and texts; None where strict reading may refuse it.

    A key that stands twice would be one of two here: it is missed by counting colons, one a key.
    """
    if b"\\u0000" in body:
        return None
    try:
        found = loads(body)
    except JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    keys = len(found)
    instances = found.get("instances")
    for part in (*instances, found.get("options")) if isinstance(instances, list) else (found.get("options"),):
        if isinstance(part, dict):
            keys += len(part)
    return found if _count(body, b":") == keys else None


def _count(body: bytes, letter: bytes) -> int:
    """`body.count(letter)`, which a long body takes a tenth of the time for in this way."""
    if len(body) < _LONG_BYTES:
        return body.count(letter)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == letter[0]))

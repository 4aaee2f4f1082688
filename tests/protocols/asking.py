"""What the tests of the protocols ask, and what `/predict` answers to the same."""

from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.web.predictions import answers

Json = dict[str, Any]
NUMBERS, PRICES, TABLE, PICTURES = "plain-numbers", "prices", "palmer", "pictures"
ROWS = np.array([[2.5, -0.75, 4.125], [-1.0, 0.5, 8.0], [3.25, 1.5, -6.5], [100.0, 0.0, 0.25]], np.float32)
"""For the model of numbers: all of them are whole in binary, so that every number type holds them as they are."""


def expected(api: httpx.Client, rows: object, model: str = NUMBERS) -> NDArray[np.float32]:
    """What `/predict` answers, float32 [n, outputs]."""
    given = rows.tolist() if isinstance(rows, np.ndarray) else rows
    found = answers(api, {"instances": given}, model=model)
    if "value" in found[0]:
        return np.array([[one["value"]] for one in found], np.float32)
    return np.array([list(one["probabilities"].values()) for one in found], np.float32)


def same(found: object, wanted: NDArray[np.float32]) -> None:
    """Holds numbers to being the same, to the last bit."""
    numbers = np.asarray(found, np.float32)
    assert numbers.shape == wanted.shape
    assert numbers.tobytes() == wanted.tobytes()

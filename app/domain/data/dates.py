"""Dates as numbers that a network can use."""

import numpy as np
from numpy.typing import NDArray

_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
"""The first and the last second of the years 1 to 9999."""
_SECONDS_A_DAY = 86_400
_MONDAY = 3
"""1970-01-01 was a Thursday, day 3 of a week that starts on Monday."""


def date_parts(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Year, month (1 to 12) and weekday (Monday is 0) in UTC: [n, dates] of seconds since 1970 becomes [n, 3 dates].

    The parts of one date stand side by side. NaN gives NaN; times outside the years 1 to 9999 count as their ends.
    """
    missing = np.isnan(seconds)
    whole = np.floor(np.clip(np.where(missing, 0.0, seconds), _FIRST, _LAST)).astype(np.int64)
    times = whole.astype("datetime64[s]")
    months = times.astype("datetime64[M]").astype(np.int64)
    weekdays = (whole // _SECONDS_A_DAY + _MONDAY) % 7
    parts = np.stack([months // 12 + 1970, months % 12 + 1, weekdays], axis=-1).astype(np.float64)
    parts[missing] = np.nan
    return parts.reshape(len(seconds), -1)

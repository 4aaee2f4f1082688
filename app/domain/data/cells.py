"""What one text cell means: the same rules when a file is read and when a row is sent for a prediction.

A cell is compared after its blanks (spaces and tabs) at both ends are taken off. Numbers are ASCII and finite;
dates are ISO 8601 with the year first. What is ambiguous (`01/02/2003`, `1,5`, `1_000`) is not guessed.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

BLANKS = " \t"
MISSING_SPELLINGS = frozenset(
    {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "NULL", "Null", "null", "None", "?"}
)
"""Spellings of "no value", as pandas writes and reads them, and the `?` of older collections.

Case counts: `none` and `na` may be honest categories. So may `-`, which is not in the list.
"""
FLOAT32_MAX = float(np.finfo(np.float32).max)
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A finite decimal number, as a pattern of RE2 and of `re` alike."""
BOOLEAN_PAIRS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
"""Known spellings in lower case, false first. `0` and `1` are numbers."""

_FEW = 4_096
_NUMBER = re.compile(NUMBER)
_DATE = re.compile(
    r"(?a:(\d{4})(?:-(\d\d)-|/(\d\d)/)(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?)?)"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stripped(text: str) -> str:
    """`text` without blanks at its ends."""
    return text.strip(BLANKS)


def is_missing(text: str) -> bool:
    """Whether the cell says "no value"; see `MISSING_SPELLINGS`."""
    return stripped(text) in MISSING_SPELLINGS


def parse_number(text: str) -> float:
    """The decimal number in the cell. Raises ValueError for anything else, and for what float32 cannot hold."""
    cell = stripped(text)
    if _NUMBER.fullmatch(cell) is None:
        raise ValueError("not a number")
    value = float(cell)
    if abs(value) > FLOAT32_MAX:
        raise ValueError("beyond the largest number that is held, 3.4e38")
    return value


def are_numbers(values: NDArray[np.float64], missing: int) -> bool:
    """Whether all `values` are such as `parse_number` gives, and NaN stands nowhere but for the `missing` ones."""
    if not missing:
        # NaN makes both comparisons false.
        return bool(values.max(initial=-np.inf) <= FLOAT32_MAX and values.min(initial=np.inf) >= -FLOAT32_MAX)
    held = np.abs(values) <= FLOAT32_MAX
    return int(np.count_nonzero(held)) == len(values) - missing


def parse_boolean(text: str) -> bool:
    """True or false by one of `BOOLEAN_PAIRS`, in any case. Raises ValueError for anything else."""
    cell = stripped(text).lower()
    for pair in BOOLEAN_PAIRS:
        if cell in pair:
            return cell == pair[1]
    raise ValueError("not true or false")


def parse_date(text: str) -> float:
    """Seconds since 1970 UTC of `YYYY-MM-DD` or `YYYY/MM/DD`, with a time and an offset or without.

    A time without an offset is taken as UTC. Raises ValueError for anything else, and for days that do not exist.
    """
    found = _DATE.fullmatch(stripped(text))
    if found is None:
        raise ValueError("not a date")
    year, dashed, slashed, day, hour, minute, second, fraction, _, sign, ahead, minutes = found.groups()
    zone = _zone(sign, ahead, minutes)
    whole = datetime(
        int(year), int(dashed or slashed), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
    )
    return (whole - _EPOCH).total_seconds() - zone.utcoffset(None).total_seconds() + float(f"0.{fraction or 0}")


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    if sign is None or hours is None or minutes is None:
        return UTC
    if int(minutes) > 59:
        raise ValueError("not an offset from UTC")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def within_float32(numbers: NDArray[np.float64]) -> bool:
    """Whether none of `numbers`, at least one, is missing or beyond what float32 holds; now and then a false no."""
    if numbers.size <= _FEW:
        # No square is larger than the sum of all: one look for what most often holds.
        return bool(np.vdot(numbers, numbers) <= FLOAT32_MAX**2)
    # BLAS would share out a long sum among threads, which costs more than it saves.
    return bool(numbers.max() <= FLOAT32_MAX and numbers.min() >= -FLOAT32_MAX)

"""Moments as the API writes them."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_or_none(seconds: float | None) -> str | None:
    """The same, for what may not have happened yet."""
    return None if seconds is None else moment(seconds)

"""The few pieces of Markdown that a model card is made of."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TypeGuard

MOST_ROWS = 50
"""Rows after which a table is cut."""


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of `rows`, at most `MOST_ROWS` of them; None is shown as a dash."""
    lines = [header, ["---"] * len(header), *rows[:MOST_ROWS]]
    cut = f"\n\n… and {len(rows) - MOST_ROWS} more." if len(rows) > MOST_ROWS else ""
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + cut


def text(name: str) -> str:
    """A name from a file as a cell may hold it: no markup, one line."""
    plain = escape(" ".join(name.split()), quote=False)
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: object) -> str | None:
    """A number to six digits; None for anything else."""
    return f"{value:.6g}" if is_number(value) else None


def counted(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def flattened(document: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """The leaves of nested objects with their dotted names."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _cell(value: object) -> str:
    return "–" if value is None else str(value)

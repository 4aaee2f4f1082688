"""CSV text that is safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
"""Such as the class `-1`: no formula, and to be read as it is."""


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header row and the rows. A text that a spreadsheet would run as a formula gets a `'` before it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_inert(name) for name in columns])
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def cell_text(cell: str) -> str:
    """One cell as it stands in a row of several: inert, and quoted where it must be."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow([_inert(cell), ""])
    return text.getvalue()[:-1]


def _inert(cell: object) -> object:
    if isinstance(cell, bool):
        # As in JSON; Python's own word is another.
        return "true" if cell else "false"
    if not isinstance(cell, str) or not cell.startswith(FORMULA_STARTS) or PLAIN_NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"

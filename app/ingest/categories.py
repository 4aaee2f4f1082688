"""From texts in order of appearance to categories in the schema's order."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import LAYOUT
from app.domain.data.schema import MAX_CATEGORIES, MISSING, OTHER, Column, ColumnType
from app.ingest.profile import Counts
from app.ingest.table import Field

_CHUNK_BYTES = 4 << 20
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def described(field: Field, counts: Counts, is_target: bool) -> tuple[Column, NDArray[np.int32]]:
    """The column (its place still to be given) and, int32 [texts + 2], the final code of each provisional one.

    The last two entries stand for the provisional codes -2 (beyond what could be held) and -1 (missing).
    """
    ranked = counts.by_frequency()
    if is_target:
        ranked = labels_in_order(ranked)
    kept, rest = (ranked, []) if is_target else (ranked[:MAX_CATEGORIES], ranked[MAX_CATEGORIES:])
    if rest or counts.overflow:
        # A value that is itself spelled so joins the others.
        rest += [pair for pair in kept if pair[0] == OTHER]
        kept = [pair for pair in kept if pair[0] != OTHER]
    folded = sum(rows for _, rows in rest) + counts.overflow
    table = np.full(len(counts.places) + 2, len(kept), np.int32)
    table[-1] = MISSING
    for code, (text, _) in enumerate(kept):
        table[counts.places[text]] = code
    categories = tuple(text for text, _ in kept)
    rows = tuple(seen for _, seen in kept)
    column = Column(
        name=field.name,
        type=ColumnType.CATEGORICAL,
        place=0,
        missing=counts.missing,
        categories=(*categories, OTHER) if folded else categories,
        counts=(*rows, folded) if folded else rows,
    )
    return column, table


def labels_in_order(labels: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Class labels by number where all are whole numbers, else by text."""
    if all(_WHOLE.fullmatch(text) for text, _ in labels):
        return sorted(labels, key=lambda pair: (int(pair[0]), pair[0]))
    return sorted(labels)


def recode(path: Path, tables: list[NDArray[np.int32]]) -> None:
    """Replace the provisional codes in the file, int32 [rows, len(tables)], by final ones, in place."""
    dtype, width = np.dtype(LAYOUT["codes"]), len(tables)
    chunk_bytes = max(1, _CHUNK_BYTES // (dtype.itemsize * width)) * dtype.itemsize * width
    with path.open("r+b", buffering=0) as file:
        at = 0
        while chunk := file.read(chunk_bytes):
            codes = np.frombuffer(chunk, dtype).reshape(-1, width)
            # -1 and -2 pick the last two entries.
            final = np.stack([table[codes[:, place]] for place, table in enumerate(tables)], axis=1)
            file.seek(at)
            file.write(np.ascontiguousarray(final, dtype).data)
            at += len(chunk)
            file.seek(at)

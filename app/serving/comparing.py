"""Two versions compared on rows that neither was trained on, within bounds of time and memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.data.preprocessing import ClassTarget, Target
from app.domain.inference.comparison import Comparison, compare
from app.domain.inference.judging import truth_of
from app.errors import Damaged, DropnormError, Invalid, NotFound, Unavailable
from app.serving.candidates import Candidate, candidate
from app.serving.catalogue import Served
from app.serving.held_out import HeldOut, held_out
from app.serving.registry import Registry
from app.serving.stored_answers import answered, row_work
from app.storage.blobs import Blobs
from app.storage.database import Database

MOST_ROWS, LEAST_ROWS = 20_000, 16
MOST_WORK = 2 * 10**9
"""Rows × multiplications that both models take for a row: about a second."""
MOST_STORED_BYTES = 512 << 20
"""Of the datasets of both runs: which rows were held out follows from all of them, so all are read."""
UNREADABLE = (NotFound, Damaged, Unavailable, Invalid)


@dataclass(frozen=True, slots=True)
class Compared:
    """`datasets`: how many rows come of which. `on`: how they were chosen, in words."""

    comparison: Comparison
    datasets: dict[str, int]
    on: str


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Why two versions could not be compared: a stable word, and a sentence."""

    code: str
    message: str


def compare_versions(
    database: Database, blobs: Blobs, registry: Registry, first: Served, second: Served
) -> Compared | NotCompared:
    """Compares `second` with `first`. Whatever is in the way of that is answered, not raised."""
    try:
        both = candidate(database, registry, first), candidate(database, registry, second)
        return _compared(blobs, *both)
    except UNREADABLE as error:
        return NotCompared("data_unreadable", _reason(error))


def _compared(blobs: Blobs, first: Candidate, second: Candidate) -> Compared | NotCompared:
    target, order = _common(first.predictor.preprocessing.target, second.predictor.preprocessing.target)
    if target is None:
        return NotCompared("different_targets", "the two versions answer different questions: their targets differ")
    stored = sum({**first.trained.stored, **second.trained.stored}.values())
    if stored > MOST_STORED_BYTES:
        return NotCompared("data_too_large", f"the datasets have {stored} bytes; {MOST_STORED_BYTES} are compared on")
    found = held_out(blobs, first.trained, second.trained)
    if found.rows == 0:
        return NotCompared("nothing_held_out", "there are no rows that neither version was trained on")
    chosen = found.spread(_most(found, first, second))
    before = np.concatenate([answered(first.predictor, part.columns, part.rows) for part in chosen.parts])
    after = np.concatenate([answered(second.predictor, part.columns, part.rows) for part in chosen.parts])
    truth = np.concatenate([truth_of(target, part.columns, part.rows) for part in chosen.parts])
    comparison = compare(target, before, after[:, order], truth)
    return Compared(comparison, {part.dataset: len(part.rows) for part in chosen.parts}, _told(found, chosen))


def _common(first: Target, second: Target) -> tuple[Target | None, NDArray[np.int64]]:
    """The target of both, and where the first one's outputs stand among the second one's; None where they differ."""
    order = np.zeros(1, np.int64)
    if first.type != second.type or first.name != second.name:
        return None, order
    if isinstance(first, ClassTarget) and isinstance(second, ClassTarget):
        if set(first.labels) != set(second.labels):
            return None, order
        order = np.array([second.labels.index(label) for label in first.labels], np.int64)
    return first, order


def _most(found: HeldOut, first: Candidate, second: Candidate) -> int:
    work = max(row_work(one.predictor, part.columns) for part in found.parts for one in (first, second))
    return min(MOST_ROWS, max(LEAST_ROWS, MOST_WORK // (2 * work)))


def _told(found: HeldOut, chosen: HeldOut) -> str:
    spread = "" if chosen.rows == found.rows else f"; of {found.rows} such rows {chosen.rows}, spread evenly"
    how = "by their place in the dataset"
    if found.by_value:
        how += ", and in the other run's data by the values of all columns that its model uses"
    return (
        f"validation rows of the two runs, without those that the other one was trained on, told {how}{spread}. "
        "Validation rows may have chosen a run's best epoch, and its temperature"
    )


def _reason(error: DropnormError) -> str:
    return f"the data or files of one of the two versions cannot be used: {error.detail}"

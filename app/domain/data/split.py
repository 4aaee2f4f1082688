"""Which rows are held out for validation: a function of the target, the fraction and the seed alone."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def split(target: NDArray[np.generic], fraction: float, seed: int, *, stratify: bool) -> tuple[Rows, Rows]:
    """Training rows and validation rows: two sorted int64 arrays that share nothing and leave nothing out.

    `target` has one value a row. With `stratify`, each of its distinct values is a class and gives `fraction` of its
    rows to the validation, rounded, but at least one; at least one stays for training, so a class of a single row is
    not validated at all. Training is never empty; validation is only where every class has a single row.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    held = np.zeros(len(target), dtype=bool)
    for members in _classes(target) if stratify else [np.arange(len(target))]:
        held[generator.permutation(members)[: _held_out(len(members), fraction)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _classes(target: NDArray[np.generic]) -> list[Rows]:
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])


def _held_out(rows: int, fraction: float) -> int:
    return max(0, min(rows - 1, max(1, int(rows * fraction + 0.5))))

"""A version judged on a stored dataset: the evaluation that a run's result has, on rows of one's own choice."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.data.targets import check_target
from app.domain.inference.judging import judged, truth_of
from app.errors import TooLarge
from app.serving.catalogue import Served
from app.serving.registry import Registry
from app.serving.stored_answers import answered, row_work
from app.storage import datasets, runs
from app.storage.blobs import Blobs
from app.storage.database import Database

MOST_WORK = 20 * 10**9
"""Rows × multiplications a row: some seconds."""
MOST_VALUES = 5_000_000
"""Rows × outputs, which are held at once: no score of their order can be had from a part of them."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    rows: int
    evaluation: dict[str, Any]


def evaluate(database: Database, blobs: Blobs, registry: Registry, served: Served, dataset_id: str) -> Evaluated:
    """Judges `served` on all rows of a dataset of its project.

    Raises `NotFound` for a dataset that is not there, `InvalidDataset` for one that lacks a column, has another target
    or a class that the model does not know, `TooLarge` for more than can be answered while somebody waits, and
    `InvalidRows` where an answer is not a finite number.
    """
    with database.read() as session:
        row = datasets.get(session, served.project, dataset_id)
        loss = runs.training_of(runs.get(session, served.project, served.run_id)).loss
    predictor = registry.load(served)
    columns = datasets.open_columns(blobs, datasets.schema_of(row), datasets.files_of(row))
    check_target(predictor.preprocessing.target, columns)
    count = columns.schema.rows
    if count * row_work(predictor, columns) > MOST_WORK or count * predictor.outputs > MOST_VALUES:
        raise TooLarge(
            f"{count} rows are too many for this model to be evaluated on while you wait; make a batch prediction of "
            "the dataset, or evaluate on a smaller one",
            code="evaluation_too_large",
        )
    for file in datasets.files_of(row):
        blobs.check(file)
    rows = np.arange(count)
    answers, truth = answered(predictor, columns, rows), truth_of(predictor.preprocessing.target, columns, rows)
    return Evaluated(count, judged(predictor.preprocessing.target, loss, answers, truth))

"""A version that is to be judged: what answers, and what its run was trained on."""

from dataclasses import dataclass

from app.serving.catalogue import Served
from app.serving.held_out import Trained
from app.serving.predictor import Predictor
from app.serving.registry import Registry
from app.storage import datasets, runs
from app.storage.database import Database


@dataclass(frozen=True, slots=True)
class Candidate:
    predictor: Predictor
    trained: Trained


def candidate(database: Database, registry: Registry, served: Served) -> Candidate:
    """Reads the run behind `served`, and loads the predictor.

    Raises `NotFound` where the run or a file is gone, `Damaged` where a file is not as recorded.
    """
    with database.read() as session:
        run = runs.get(session, served.project, served.run_id)
        data = datasets.get(session, served.project, run.dataset_id)
        other = run.validation_dataset_id
        validation = None if other is None else datasets.get(session, served.project, other)
    predictor = registry.load(served)
    return Candidate(predictor, Trained(predictor.preprocessing, runs.training_of(run), data, validation))

"""Runs that have succeeded, made in the test's own process, and batch predictions by them."""

import threading

import numpy as np
from numpy.typing import NDArray

from app.domain.data.columns import Columns
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.stored import encode_columns
from app.domain.inference.frozen import FrozenNetwork
from app.storage import batch_predictions, jobs, records
from app.storage.batch_predictions import BatchPrediction
from app.storage.blobs import StoredFile
from app.storage.job_tables import BatchPredictionRow
from app.worker.attempt import Attempt
from app.worker.orders import BatchOrder, batch_order_for, read_order
from tests.worker.attempts import Said, order
from tests.worker.conftest import NETWORK
from tests.worker.processes import until
from tests.worker.workplace import PROJECT, Workplace


class Answering:
    """A workplace with a run that has succeeded, whose files were made in the test's own process."""

    def __init__(self, place: Workplace, columns: Columns) -> None:
        self.place, self.columns = place, columns
        self.trained_on = place.add(columns)
        self.dataset = place.add(columns)
        self.files: dict[str, StoredFile] = {}
        self.run_id = self.train()

    def train(self, number: int = 1) -> str:
        """The next version of the model, of one epoch more than the last one; answers the run's id."""
        run_id = self.place.submit(self.trained_on)
        wanted = order(self.place, self.trained_on, NETWORK, {"epochs": number, "batch_size": 32}, number)
        done = Attempt(wanted, Said(), threading.Event()).run()
        self.files = {name: StoredFile(**file) for name, file in done["files"].items()}
        with self.place.database.write() as session:
            held = jobs.claim(session, "nobody")
            assert held is not None
            records.succeeded(session, held, {}, self.files)
        return run_id

    def submit(self, format_: str = "csv", **options: bool) -> str:
        with self.place.database.write() as session:
            wanted = BatchPrediction("flowers", 1, self.run_id, self.dataset, format_, **options)
            return batch_predictions.submit(session, PROJECT, wanted).job_id

    def row(self, job_id: str) -> BatchPredictionRow:
        with self.place.database.read() as session:
            return batch_predictions.get(session, PROJECT, job_id)

    def ended(self, job_id: str) -> BatchPredictionRow:
        return until(lambda: row if (row := self.row(job_id)).job.status in jobs.ENDED else None, 60)

    def order(self, job_id: str) -> BatchOrder:
        """What a worker that holds the job would tell its trainer."""
        with self.place.database.write() as session:
            held = jobs.claim(session, "one")
            assert held is not None
            assert held.job_id == job_id
            found = batch_order_for(session, held, str(self.place.data_dir), 5.0)
        assert read_order(found.model_dump(mode="json")) == found
        return found

    def values(self) -> NDArray[np.float32]:
        """The frozen network's own answers to all rows, encoded in one piece."""
        read = {name: self.place.blobs.read(self.files[name]) for name in ("preprocessing.json", "frozen.onnx")}
        rows = np.arange(self.columns.schema.rows)
        features = encode_columns(Preprocessing.read(read["preprocessing.json"]), self.columns, rows)
        return FrozenNetwork(read["frozen.onnx"]).answer(features)

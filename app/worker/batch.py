"""One attempt of a batch prediction: a stored dataset, answered block by block into one file."""

import threading
import time
from pathlib import Path
from typing import Any

from app.bulk.writers import Format, writer_for
from app.serving.predictor import Predictor
from app.serving.stored_answers import blocks
from app.storage.blobs import Blobs, StoredFile
from app.storage.growing import growing
from app.worker.attempt import PROGRESS_SECONDS, Stopped
from app.worker.channel import Message, Sender
from app.worker.loading import open_stored
from app.worker.orders import BatchOrder, StoredArtifact


class BatchAttempt:
    """`run` answers the message to end with; it raises `Stopped` soon after `stop` is set, and leaves no file then."""

    def __init__(self, order: BatchOrder, sender: Sender, stop: threading.Event) -> None:
        self.order, self.sender, self.stop = order, sender, stop
        self._blobs = Blobs(Path(order.data_dir))
        self._began = self._told = time.monotonic()

    def run(self) -> Message:
        columns = open_stored(self._blobs, self.order.data, self._pulse)
        predictor = Predictor(self._read(self.order.preprocessing), self._read(self.order.frozen))
        total, answered = columns.schema.rows, 0
        self._began = time.monotonic()
        with growing(self._blobs, f"{self.order.folder}/predictions.{self.order.format}") as file:
            writer = writer_for(
                Format(self.order.format), file, predictor.labels, probabilities=self.order.probabilities, top=None
            )
            for answers in blocks(predictor, columns, range(total), calibrated=self.order.calibrated):
                self._stop_if_asked()
                writer.write(answers.values)
                answered += len(answers)
                self._tell(answered, total)
            writer.close()
        return self._done(file.stored, answered)

    def _done(self, file: StoredFile, rows: int) -> Message:
        progress = {**self._progress(rows, rows), "seconds_left": 0.0}
        stored = {"key": file.key, "bytes": file.bytes, "sha256": file.sha256}
        return {"kind": "done", "result": {"rows": rows, "progress": progress}, "files": {"predictions": stored}}

    def _read(self, file: StoredArtifact) -> bytes:
        return self._blobs.read(StoredFile(file.key, file.bytes, file.sha256))

    def _tell(self, rows: int, total: int) -> None:
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            self.sender.send({"kind": "progress", "progress": self._progress(rows, total)})

    def _progress(self, rows: int, total: int) -> dict[str, Any]:
        elapsed = max(time.monotonic() - self._began, 1e-9)
        return {
            "rows": rows,
            "rows_total": total,
            "fraction": round(rows / total, 6),
            "rows_per_second": round(rows / elapsed, 1),
            "seconds_left": round(elapsed * (total - rows) / rows, 1),
        }

    def _stop_if_asked(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _pulse(self) -> None:
        """Says that work goes on where it has nothing else to say."""
        self._stop_if_asked()
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            self.sender.send({"kind": "alive"})

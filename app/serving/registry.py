"""Models in memory: loaded once, digests checked, the least recently used one dropped when there are too many."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from app.domain.network.spec import NetworkSpec
from app.errors import InvalidRows
from app.serving.catalogue import Served
from app.serving.predictor import Predictor
from app.storage.blobs import Blobs, StoredFile

PREPROCESSING, FROZEN, MONTE_CARLO, NETWORK = (
    "preprocessing.json",
    "frozen.onnx",
    "monte_carlo.onnx",
    "network.json",
)


class Registry:
    """Thread-safe. A run's files never change, so what is loaded stays right."""

    def __init__(self, blobs: Blobs, most: int, holds: Callable[[int], None]) -> None:
        """`holds` is told how many models are in memory, whenever that changes."""
        self._blobs, self._most, self._holds = blobs, most, holds
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, run_id: str) -> Predictor | None:
        """The predictor of a run, if it is in memory."""
        with self._lock:
            found = self._loaded.get(run_id)
            if found is not None:
                self._loaded.move_to_end(run_id)
            return found

    def load(self, served: Served) -> Predictor:
        """The predictor of a run, read from its files. Raises `Damaged` or `NotFound` if they are not as recorded."""
        found = self.find(served.run_id)
        if found is not None:
            return found
        preprocessing, frozen = (self._blobs.read(served.files[name]) for name in (PREPROCESSING, FROZEN))
        predictor = Predictor(preprocessing, frozen, partial(self._monte_carlo, served.files))
        with self._lock:
            self._loaded[served.run_id] = predictor
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
            self._holds(len(self._loaded))
        return predictor

    def forget(self, run_id: str) -> None:
        with self._lock:
            self._loaded.pop(run_id, None)
            self._holds(len(self._loaded))

    def _monte_carlo(self, files: Mapping[str, StoredFile]) -> bytes:
        """The file for answers with dropout. Raises `InvalidRows` where the run left none."""
        if MONTE_CARLO in files:
            return self._blobs.read(files[MONTE_CARLO])
        if NetworkSpec.model_validate_json(self._blobs.read(files[NETWORK])).dropouts:
            raise InvalidRows(
                "the model was trained by a version that left no file for Monte Carlo dropout; train it anew",
                code="monte_carlo_unavailable",
            )
        raise InvalidRows("the network has no dropout to leave on", code="no_dropout")

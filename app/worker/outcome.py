"""What a trained network becomes: the frozen network, its proof and evaluation, and the files that a run publishes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from app.domain.data.split import Rows
from app.domain.data.stored import encode_columns
from app.domain.data.targets import class_targets, number_targets
from app.domain.inference.evaluation import evaluate_classes, evaluate_values
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import tile_rows
from app.domain.plan.preparation import Preparation
from app.domain.training.build import Network
from app.domain.training.card import CardFacts, model_card
from app.domain.training.freeze import freeze
from app.domain.training.parity import MOST_ROWS, Parity, freeze_and_prove, require_faithful
from app.errors import StorageFull, StorageUnavailable
from app.storage.blobs import Blobs, StoredFile
from app.worker.loading import Loaded
from app.worker.orders import Order

CHUNK_VALUES = 1 << 22
NETWORK, PREPROCESSING, WEIGHTS, FROZEN, CARD = (
    "network.json",
    "preprocessing.json",
    "weights.safetensors",
    "frozen.onnx",
    "model_card.md",
)
Evaluations = dict[str, Any]


class Outcome:
    """Judges networks by what would be served: everything here is answered by the frozen network.

    `before` is how it did before the population statistics, `epochs` how many were trained; `pulse` is called while it
    goes on.
    """

    def __init__(self, order: Order, loaded: Loaded, prepared: Preparation, pulse: Callable[[], None]) -> None:
        self.order, self.loaded, self.prepared, self._pulse = order, loaded, prepared, pulse
        self._target = prepared.preprocessing.target
        self.before: Evaluations | None = None
        self.epochs = 0

    def before_population_statistics(self, network: Network) -> None:
        """Evaluates `network` as it stands, with the running statistics that training left."""
        content = freeze(network, self._target, tile_rows(network.spec))
        self.before = self._evaluations(FrozenNetwork(content))

    def publish(self, network: Network, blobs: Blobs) -> dict[str, Any]:
        """Writes the files; answers the run's `result` and the `files` with their digests."""
        content, frozen, parity = freeze_and_prove(network, self._target, self._proof_features())
        require_faithful(parity, self._target)
        evaluation = self._evaluations(frozen)
        if self.before is not None:
            evaluation["before_population_statistics"] = self.before
        evaluation["rows"] = {
            "train": len(self.prepared.training_rows),
            "validation": len(self.prepared.validation_rows),
        }
        result = {
            "evaluation": evaluation,
            "parity": {
                "rows": parity.rows,
                "largest_difference": parity.largest_difference,
                "bit_equal_alone_batched_shuffled": parity.bit_equal_alone_batched_shuffled,
                "tile_rows": frozen.tile_rows,
            },
        }
        files = {**self._files(network, content), CARD: self._card(evaluation, parity).encode()}
        stored = self._publish(files, blobs)
        return {
            "result": result,
            "files": {
                name: {"key": file.key, "bytes": file.bytes, "sha256": file.sha256} for name, file in stored.items()
            },
        }

    def _publish(self, files: dict[str, bytes], blobs: Blobs) -> dict[str, StoredFile]:
        keys = {name: f"{self.order.folder}/{name}" for name in sorted(files)}
        try:
            return {name: blobs.write(key, files[name]) for name, key in keys.items()}
        except (StorageFull, StorageUnavailable):
            # No row will name them, and the room is wanted.
            for key in keys.values():
                blobs.remove(key)
            raise

    def _files(self, network: Network, frozen: bytes) -> dict[str, bytes]:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        return {
            NETWORK: self.prepared.spec.model_dump_json(exclude_none=True, exclude={"name"}, indent=1).encode(),
            PREPROCESSING: self.prepared.preprocessing.artifact(),
            WEIGHTS: safetensors.torch.save(weights),
            FROZEN: frozen,
        }

    def _card(self, evaluation: Evaluations, parity: Parity) -> str:
        before = self.before or {}
        return model_card(
            CardFacts(
                schema=self.loaded.columns.schema,
                spec=self.prepared.spec,
                settings=self.order.settings,
                epochs=self.epochs,
                training_rows=len(self.prepared.training_rows),
                validation_rows=len(self.prepared.validation_rows),
                parity=parity,
                train_eval=evaluation["train_eval"],
                validation=evaluation.get("validation", {}),
                train_eval_before=before.get("train_eval", {}),
                validation_before=before.get("validation", {}),
            )
        )

    def _evaluations(self, frozen: FrozenNetwork) -> Evaluations:
        evaluations = {"train_eval": self._evaluation(frozen, validation=False)}
        if len(self.prepared.validation_rows):
            evaluations["validation"] = self._evaluation(frozen, validation=True)
        return evaluations

    def _evaluation(self, frozen: FrozenNetwork, *, validation: bool) -> Evaluations:
        columns = self.loaded.of(validation=validation)
        rows = self.prepared.validation_rows if validation else self.prepared.training_rows
        answers = self._answers(frozen, rows, validation=validation)
        if self._target.type == "classes":
            scores = evaluate_classes(self._target.labels, answers, class_targets(self._target, columns, rows))
            return {"loss": scores["log_loss"], **scores}
        values, scale = number_targets(columns, rows), self._target.scale.deviation
        errors = np.abs(answers[:, 0] - values) / scale
        return {"loss": _loss(self.order.settings.loss, errors), **evaluate_values(answers[:, 0], values)}

    def _answers(self, frozen: FrozenNetwork, rows: Rows, *, validation: bool) -> NDArray[np.float32]:
        step = max(1, CHUNK_VALUES // int(np.prod(frozen.input_shape)))
        columns = self.loaded.of(validation=validation)
        parts = []
        for start in range(0, len(rows), step):
            parts.append(
                frozen.answer(encode_columns(self.prepared.preprocessing, columns, rows[start : start + step]))
            )
            self._pulse()
        return np.concatenate(parts)

    def _proof_features(self) -> NDArray[np.float32]:
        validation = len(self.prepared.validation_rows) > 0
        rows = self.prepared.validation_rows if validation else self.prepared.training_rows
        chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64)]
        return encode_columns(self.prepared.preprocessing, self.loaded.of(validation=validation), chosen)


def _loss(name: str, errors: NDArray[np.float64]) -> float:
    """The training loss of absolute standardised errors; Huber's with its usual threshold of one."""
    if name == "mean_absolute_error":
        return float(errors.mean())
    if name == "huber":
        return float(np.where(errors <= 1, errors**2 / 2, errors - 0.5).mean())
    return float(np.square(errors).mean())

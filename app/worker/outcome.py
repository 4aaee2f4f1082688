"""What a trained network becomes: the frozen network, its proof and evaluation, and the files that a run publishes."""

from collections.abc import Callable
from typing import Any

import safetensors.torch

from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import tile_rows
from app.domain.plan.preparation import Preparation
from app.domain.training.build import Network
from app.domain.training.card import CardFacts, model_card
from app.domain.training.freeze import freeze, freeze_monte_carlo
from app.domain.training.parity import Parity, freeze_and_prove, prove_monte_carlo, require_faithful
from app.errors import StorageFull, StorageUnavailable
from app.storage.blobs import Blobs, StoredFile
from app.worker.judge import Evaluations, Judge
from app.worker.loading import Loaded
from app.worker.orders import Order

NETWORK, PREPROCESSING, WEIGHTS, FROZEN, MONTE_CARLO, CARD = (
    "network.json",
    "preprocessing.json",
    "weights.safetensors",
    "frozen.onnx",
    "monte_carlo.onnx",
    "model_card.md",
)


class Outcome:
    """Freezes, proves, judges and publishes; a classifier with the temperature that its held-out rows give it.

    `before` is how it did before the population statistics, `epochs` how many were trained; `pulse` is called while it
    goes on.
    """

    def __init__(self, order: Order, loaded: Loaded, prepared: Preparation, pulse: Callable[[], None]) -> None:
        self.order, self.loaded, self.prepared = order, loaded, prepared
        self._judge = Judge(order, loaded, prepared, pulse)
        self._target = prepared.preprocessing.target
        self.before: Evaluations | None = None
        self.epochs = 0

    def before_population_statistics(self, network: Network) -> None:
        """Evaluates `network` as it stands, with the running statistics that training left."""
        fit = self._judge.fit(network)
        content = freeze(network, self._target, tile_rows(network.spec), fit.temperature)
        self.before = self._judge.evaluations(FrozenNetwork(content))

    def publish(self, network: Network, blobs: Blobs) -> dict[str, Any]:
        """Writes the files; answers the run's `result` and the `files` with their digests."""
        fit, proof = self._judge.fit(network), self._judge.proof_features()
        content, frozen, parity = freeze_and_prove(network, self._target, proof, temperature=fit.temperature)
        require_faithful(parity, self._target)
        files = self._files(network, content)
        monte_carlo = freeze_monte_carlo(network, self._target, fit.temperature)
        if monte_carlo is not None:
            prove_monte_carlo(network, monte_carlo, self._target, proof, fit.temperature)
            files[MONTE_CARLO] = monte_carlo
        evaluation = self._judge.evaluations(frozen, fit)
        if self.before is not None:
            evaluation["before_population_statistics"] = self.before
        evaluation["rows"] = {
            "train": len(self.prepared.training_rows),
            "validation": len(self.prepared.validation_rows),
        }
        files[CARD] = self._card(evaluation, parity).encode()
        stored = self._publish(files, blobs)
        return {
            "result": {"evaluation": evaluation, "parity": _told(parity, frozen)},
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
                calibration=evaluation.get("calibration"),
            )
        )


def _told(parity: Parity, frozen: FrozenNetwork) -> dict[str, Any]:
    return {
        "rows": parity.rows,
        "largest_difference": parity.largest_difference,
        "bit_equal_alone_batched_shuffled": parity.bit_equal_alone_batched_shuffled,
        "tile_rows": frozen.tile_rows,
    }

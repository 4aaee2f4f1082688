"""The runs of a storm: a few networks and settings, each some seconds long and the same bytes every time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings

Layer = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A network and its settings; `numbers`: it learns a length, not a kind of flower."""

    name: str
    layers: Sequence[Layer]
    training: dict[str, Any] = field(default_factory=dict)
    numbers: bool = False

    @property
    def network(self) -> NetworkSpec:
        return NetworkSpec.model_validate({"layers": list(self.layers)})

    @property
    def settings(self) -> TrainingSettings:
        return TrainingSettings.model_validate({"epochs": 45, "batch_size": 4, **self.training})


def _dense(units: int = 24) -> list[Layer]:
    return [{"type": "dense", "units": units}, {"type": "activation", "function": "relu"}]


def _normalized(units: int = 24) -> list[Layer]:
    return [
        {"type": "dense", "units": units, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
    ]


_DROPOUT: Layer = {"type": "dropout", "rate": 0.4}
_LAST: Layer = {"type": "dense"}
DROPOUT = [*_dense(), _DROPOUT, *_dense(), _DROPOUT, _LAST]
NORMALIZED = [*_normalized(), *_normalized(), _LAST]
BOTH = [*_normalized(), _DROPOUT, *_normalized(), _DROPOUT, _LAST]
EARLY = {"early_stopping": {"patience": 30}}

KINDS = (
    Kind("both, with everything", BOTH, {"seed": 3, "schedule": "one_cycle", "class_weight": "balanced", **EARLY}),
    Kind("dropout", DROPOUT, {"seed": 1, "epochs": 60}),
    Kind("numbers, batch norm", NORMALIZED, {"seed": 4, "optimizer": {"name": "adamw"}, "weight_decay": 0.01}, True),
    Kind("batch norm", NORMALIZED, {"seed": 2, "batch_size": 6, "epochs": 60}),
    Kind("numbers, dropout", DROPOUT, {"seed": 5, "loss": "huber", "gradient_clip_norm": 1.0, "epochs": 60}, True),
    Kind("numbers, both", BOTH, {"seed": 6, "schedule": "cosine", **EARLY}, True),
    Kind("both, falling rate", BOTH, {"seed": 7, "schedule": "reduce_on_plateau", "label_smoothing": 0.1}),
    Kind(
        "both, without statistics", BOTH, {"seed": 8, "optimizer": {"name": "rmsprop"}, "population_statistics": False}
    ),
)

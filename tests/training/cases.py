"""Small networks and rows to train on."""

from typing import Any

import torch

from app.domain.network.spec import NetworkSpec
from app.domain.plan.batches import plan_batches
from app.domain.plan.settings import TrainingSettings
from app.domain.training.build import Network, build
from app.domain.training.data import TrainingData
from app.domain.training.events import EpochReport
from app.domain.training.loop import train
from app.domain.training.run import TrainingRun, start

INPUTS = 6
Form = dict[str, Any]


def dense(units: int, **fields: Any) -> Form:
    return {"type": "dense", "units": units, **fields}


def activation(function: str) -> Form:
    return {"type": "activation", "function": function}


def norm(**fields: Any) -> Form:
    return {"type": "batch_normalization", **fields}


def dropout(rate: float) -> Form:
    return {"type": "dropout", "rate": rate}


CLASSES = [dense(3), activation("softmax")]
BINARY = [dense(1), activation("sigmoid")]
NUMBER = [dense(1), activation("linear")]
PLAIN = [dense(8), activation("relu")]
DROPOUT = [dropout(0.2), dense(16), activation("relu"), dropout(0.5)]
BATCH_NORM = [
    dense(8, use_bias=False),
    norm(),
    activation("relu"),
    dense(8, use_bias=False),
    norm(),
    activation("relu"),
]


def spec(*layers: Form, shape: tuple[int, ...] = (INPUTS,)) -> NetworkSpec:
    return NetworkSpec.model_validate({"input_shape": shape, "layers": list(layers)})


def class_rows(rows: int, classes: int = 3, seed: int = 0) -> TrainingData:
    """Classes that a network can learn: clouds around one centre for each class."""
    generator = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(classes, INPUTS, generator=torch.Generator().manual_seed(99))
    targets = torch.randint(0, classes, (rows,), generator=generator)
    return TrainingData(centres[targets] + torch.randn(rows, INPUTS, generator=generator), targets)


def number_rows(rows: int, seed: int = 0) -> TrainingData:
    """Standardised numbers that depend on the inputs linearly, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, INPUTS, generator=generator)
    numbers = features @ torch.linspace(-1, 1, INPUTS) + 0.1 * torch.randn(rows, generator=generator)
    return TrainingData(features, (numbers - numbers.mean()) / numbers.std())


def settings(**fields: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"seed": 7, "epochs": 3, "batch_size": 16, **fields})


def begin(
    network: NetworkSpec,
    data: TrainingData,
    chosen: TrainingSettings,
    validation: TrainingData | None = None,
    **more: Any,
) -> TrainingRun:
    plan = plan_batches(data.rows, chosen.batch_size)
    return start(build(network, chosen.seed or 0), data, plan, chosen, validation=validation, **more)


def reports(run: TrainingRun) -> list[EpochReport]:
    return [event for event in train(run) if isinstance(event, EpochReport)]


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

"""What the training benchmark trains: the article's two networks and two for a table, on synthetic rows."""

from dataclasses import dataclass
from typing import Any

import torch

from app.domain.training.data import TrainingData


@dataclass(frozen=True)
class Work:
    """A network, the synthetic rows it trains on, and how many epochs each side trains in a round."""

    name: str
    inputs: int
    classes: int
    rows: int
    batch_size: int
    epochs: int
    layers: list[dict[str, Any]]

    def data(self) -> TrainingData:
        generator = torch.Generator().manual_seed(0)
        features = torch.rand((self.rows, self.inputs), generator=generator)
        return TrainingData(features, torch.randint(0, self.classes, (self.rows,), generator=generator))


def dense(units: int, *, use_bias: bool = True) -> dict[str, Any]:
    return {"type": "dense", "units": units, "use_bias": use_bias}


def hidden(units: int, *, norm: bool, rate: float) -> list[dict[str, Any]]:
    normalization = [{"type": "batch_normalization"}] if norm else []
    dropout = [{"type": "dropout", "rate": rate}] if rate else []
    return [dense(units, use_bias=not norm), *normalization, {"type": "activation", "function": "relu"}, *dropout]


def network(classes: int, widths: list[int], *, norm: bool, rate: float, input_rate: float = 0) -> list[dict[str, Any]]:
    first = [{"type": "dropout", "rate": input_rate}] if input_rate else []
    body = [layer for width in widths for layer in hidden(width, norm=norm, rate=rate)]
    return [*first, *body, dense(classes), {"type": "activation", "function": "softmax"}]


WORKS = [
    Work("30–64–64–2, batch norm", 30, 2, 1920, 64, 9, network(2, [64, 64], norm=True, rate=0)),
    Work("30–64–64–2, batch norm and dropout", 30, 2, 1920, 64, 9, network(2, [64, 64], norm=True, rate=0.5)),
    Work("12,288–16–32–64–3, batch norm", 12_288, 3, 960, 32, 4, network(3, [16, 32, 64], norm=True, rate=0)),
    Work(
        "12,288–16–32–64–3, dropout",
        12_288,
        3,
        960,
        32,
        4,
        network(3, [16, 32, 64], norm=False, rate=0.5, input_rate=0.3),
    ),
]

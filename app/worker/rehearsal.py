"""A waiting trainer trains a tiny network once, so that what libraries load at first use is loaded.

PyTorch's optimisers alone import for 1.6 s when the first one is made; a submitted run must not wait for that.
"""

import numpy as np
import torch

from app.domain.data.preprocessing import ClassTarget
from app.domain.network.spec import NetworkSpec
from app.domain.plan.batches import plan_batches
from app.domain.plan.settings import TrainingSettings
from app.domain.training.build import build
from app.domain.training.data import TrainingData
from app.domain.training.loop import train
from app.domain.training.parity import freeze_and_prove
from app.domain.training.run import start

SPEC = {
    "input_shape": [2],
    "layers": [
        {"type": "dense", "units": 2},
        {"type": "batch_normalization"},
        {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 2},
        {"type": "activation", "function": "softmax"},
    ],
}


def rehearse() -> None:
    """One epoch, population statistics, freezing and its proof, on four rows of zeros."""
    network = build(NetworkSpec.model_validate(SPEC), seed=0)
    data = TrainingData(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))
    for _ in train(start(network, data, plan_batches(4, 2), TrainingSettings(epochs=1, seed=0))):
        continue
    freeze_and_prove(network, ClassTarget(name="rehearsal", labels=("a", "b")), np.zeros((4, 2), np.float32))

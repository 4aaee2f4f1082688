"""Optimisers by their settings, and what is done to weights beside them."""

import torch
from torch import nn
from torch.optim import Optimizer

from app.domain.plan.settings import AdamW, RmsProp, Sgd, TrainingSettings
from app.domain.training.build import Network
from app.domain.training.modules import DenseModule


def make_optimizer(network: Network, settings: TrainingSettings) -> Optimizer:
    """The optimiser with torch's meaning of every constant (Adam's epsilon is 1e-8 where Keras's is 1e-7).

    Weight decay is on weight matrices alone: a bias or a normalisation's gain has no business being small. It is
    decoupled in adamw (Loshchilov & Hutter 2019) and part of the gradient in the others.
    """
    groups = _groups(network, settings.weight_decay)
    chosen = settings.optimizer
    if isinstance(chosen, Sgd):
        return torch.optim.SGD(
            groups, lr=chosen.learning_rate, momentum=chosen.momentum, nesterov=chosen.nesterov, fused=True
        )
    if isinstance(chosen, RmsProp):
        # It has no fused form on a CPU; `foreach` was the fastest of the others.
        return torch.optim.RMSprop(groups, lr=chosen.learning_rate, foreach=True)
    if isinstance(chosen, AdamW):
        return torch.optim.AdamW(groups, lr=chosen.learning_rate, weight_decay=0.0, fused=True)
    return torch.optim.Adam(groups, lr=chosen.learning_rate, fused=True)


def project_weights(layers: list[DenseModule]) -> None:
    """Scales each unit's incoming weights down to the layer's `max_norm` (Srivastava et al. 2014, section 5.1)."""
    with torch.no_grad():
        for layer in layers:
            assert layer.max_norm is not None
            layer.weight.renorm_(2, 0, layer.max_norm)


def bounded_layers(network: Network) -> list[DenseModule]:
    """The layers with a `max_norm`."""
    return [layer for layer in network.layers if isinstance(layer, DenseModule) and layer.max_norm is not None]


def _groups(network: Network, weight_decay: float) -> list[dict[str, list[nn.Parameter] | float]]:
    parameters = list(network.parameters())
    if weight_decay == 0:
        return [{"params": parameters}]
    matrices = [parameter for parameter in parameters if parameter.dim() > 1]
    vectors = [parameter for parameter in parameters if parameter.dim() == 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]

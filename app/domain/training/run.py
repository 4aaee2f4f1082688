"""A training run: what it was given, and everything that changes while it runs, in one place."""

from dataclasses import dataclass

import torch
from torch.optim import Optimizer

from app.domain.network.shapes import summarize
from app.domain.plan.batches import BatchPlan, check_batches
from app.domain.plan.compatibility import check_monitor, check_settings, resolved_loss
from app.domain.plan.settings import TrainingSettings
from app.domain.task import Task
from app.domain.training.best import Best
from app.domain.training.build import Network
from app.domain.training.data import BatchReader, TrainingData
from app.domain.training.events import Step
from app.domain.training.losses import Objective, balanced_weights
from app.domain.training.metrics import MetricSums
from app.domain.training.modules import DenseModule
from app.domain.training.optimizers import bounded_layers, make_optimizer
from app.domain.training.schedules import Plateau
from app.domain.training.statistics import Moments
from app.errors import InvalidSettings

_CHUNK_VALUES = 2**20
"""The most values that any layer may hold at once while a network is measured: 4 MiB of float32."""


@dataclass(slots=True)
class TrainingRun:
    """What `train` works on. Its whole moving state: `network`, `optimizer`, `step`, `sums`, `best`, `plateau`,
    `moments`; see `app.domain.training.state`. Randomness has none: it is a function of the seed and of `step`.
    """

    data: TrainingData
    validation: TrainingData
    plan: BatchPlan
    settings: TrainingSettings
    objective: Objective
    reader: BatchReader
    parameters: list[torch.nn.Parameter]
    bounded: list[DenseModule]
    chunk_rows: int
    measured: MetricSums
    horizon: int

    network: Network
    optimizer: Optimizer
    step: Step
    sums: MetricSums
    best: Best
    plateau: Plateau
    moments: Moments

    @property
    def goes_on(self) -> bool:
        """Is there another epoch to begin, or the rest of one to train?"""
        step = self.step
        if step.phase != "training" or step.epoch > self.settings.epochs or self.best.patience_ended:
            return False
        return step.step > 0 or not step.finish


def start(
    network: Network,
    data: TrainingData,
    plan: BatchPlan,
    settings: TrainingSettings,
    *,
    validation: TrainingData | None = None,
    target_scale: float = 1.0,
    horizon_epochs: int | None = None,
) -> TrainingRun:
    """A run before its first step, of `network` on the device where it lies.

    `plan` is for the rows of `data`. `target_scale` is the standard deviation by which targets were divided, for
    errors in their own units. `horizon_epochs` is what a schedule is stretched over, `settings.epochs` unless given.
    Raises `InvalidSettings` where settings or plan do not fit the network or the rows, or without a seed.
    """
    held_out = validation if validation is not None else TrainingData(data.features[:0], data.targets[:0])
    _check(network, data, plan, settings, held_out)
    network.position.seed = _seed(settings)
    device, classes = next(network.parameters()).device, data.task is Task.CLASSIFICATION
    return TrainingRun(
        data=data,
        validation=held_out,
        plan=plan,
        settings=settings,
        objective=_objective(network, data, settings, device),
        reader=BatchReader(data, max(plan.batch_size, plan.last_batch), device),
        parameters=list(network.parameters()),
        bounded=bounded_layers(network),
        chunk_rows=_chunk_rows(network),
        measured=MetricSums(classes=classes, target_scale=target_scale, device=device),
        horizon=plan.steps * (horizon_epochs or settings.epochs),
        network=network,
        optimizer=make_optimizer(network, settings),
        step=Step(plan.steps),
        sums=MetricSums(classes=classes, target_scale=target_scale, device=device),
        best=Best(settings.early_stopping, validated=held_out.rows > 0),
        plateau=Plateau(),
        moments=Moments(),
    )


def _objective(network: Network, data: TrainingData, settings: TrainingSettings, device: torch.device) -> Objective:
    assert network.spec.output is not None
    classes = max(network.spec.output.units or 0, 2)
    weights = balanced_weights(data.targets, classes).to(device) if settings.class_weight == "balanced" else None
    return Objective(resolved_loss(network.spec, data.task, settings), weights, settings.label_smoothing)


def _chunk_rows(network: Network) -> int:
    summary = summarize(network.spec)
    widths = [torch.Size(line.output_shape or ()).numel() for line in summary.layers]
    return max(1, _CHUNK_VALUES // max(torch.Size(network.spec.input_shape or ()).numel(), *widths))


def _check(
    network: Network, data: TrainingData, plan: BatchPlan, settings: TrainingSettings, validation: TrainingData
) -> None:
    check_settings(network.spec, data.task, settings)
    check_batches(network.spec, plan)
    check_monitor(settings, validation.rows)


def _seed(settings: TrainingSettings) -> int:
    if settings.seed is None:
        raise InvalidSettings("the settings have no seed; one is drawn when a run is submitted without")
    return settings.seed

"""Training: epochs of optimisation steps, the best weights put back, the population statistics.

A generator: who drives it owns the clock, the records and the decision to stop. It knows of none of them.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from app.domain.training.events import EpochReport, Step
from app.domain.training.masks import row_order
from app.domain.training.metrics import Metrics, measure
from app.domain.training.optimizers import project_weights
from app.domain.training.run import TrainingRun
from app.domain.training.schedules import scheduled_rate
from app.domain.training.statistics import reestimate, statistics_batches
from app.errors import Diverged

_STEPS_BETWEEN_CHECKS = 64


def train(run: TrainingRun) -> Iterator[Step | EpochReport]:
    """Trains `run.network` from where `run` stands; yields after every step, epoch and batch of statistics.

    The state of the run may be taken at any yield; to go on from it gives the same bits as to go on here.
    Raises `Diverged` when a loss or a weight is no finite number.
    """
    while run.goes_on:
        yield from _epoch(run)
    if run.step.phase == "training":
        yield from _leave_training(run)
    yield from _population_statistics(run)


def _epoch(run: TrainingRun) -> Iterator[Step | EpochReport]:
    step = run.step
    order = row_order(run.network.position.seed, step.epoch, run.plan.rows)
    while step.step < step.steps and (step.step == 0 or not step.finish):
        start, stop = run.plan.bounds(step.step)
        _optimise(run, order[start:stop])
        step.step += 1
        if step.step % _STEPS_BETWEEN_CHECKS == 0 and not bool(run.sums.totals.isfinite().all()):
            raise _diverged(run, "the training loss")
        yield step
    yield _close_epoch(run)


def _optimise(run: TrainingRun, rows: Tensor) -> None:
    features, targets = run.reader.read(rows)
    _set_learning_rate(run)
    for parameter in run.parameters:
        parameter.grad = None
    # Whoever drives the loop may have evaluated the network since the last step.
    if not run.network.training:
        run.network.train()
    run.network.position.epoch, run.network.position.step = run.step.epoch, run.step.step
    logits = run.network(features)
    loss = run.objective.mean(logits, targets)
    torch.autograd.backward(loss)
    if run.settings.gradient_clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(run.parameters, run.settings.gradient_clip_norm)
    run.optimizer.step()
    project_weights(run.bounded)
    run.sums.add(logits.detach(), targets, loss.detach())


def _set_learning_rate(run: TrainingRun) -> None:
    rate = _learning_rate(run, (run.step.epoch - 1) * run.step.steps + run.step.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate


def _learning_rate(run: TrainingRun, step: int) -> float:
    highest = run.settings.optimizer.learning_rate
    return run.plateau.factor * scheduled_rate(run.settings.schedule, highest, step, run.horizon)


def _close_epoch(run: TrainingRun) -> EpochReport:
    step, network = run.step, run.network
    rate = _learning_rate(run, (step.epoch - 1) * step.steps + step.step - 1)
    train = _finite(run, run.sums.metrics(), "the training loss")
    _check_weights(run)
    train_eval = measure(network, run.data, run.objective, run.measured, run.chunk_rows)
    validation = measure(network, run.validation, run.objective, run.measured, run.chunk_rows)
    _finite(run, train_eval, "the training loss in eval mode")
    _finite(run, validation, "the validation loss")
    best = run.best.observe(train_eval, validation, network)
    if run.settings.schedule == "reduce_on_plateau":
        run.plateau.observe((validation or train_eval)["loss"])
    report = EpochReport(step.epoch, rate, train, train_eval, validation, best, run.best.patience_ended)
    run.sums.reset()
    step.epoch, step.step = step.epoch + 1, 0
    return report


def _leave_training(run: TrainingRun) -> Iterator[Step]:
    run.best.put_back(run.network)
    wanted = run.settings.population_statistics
    step = run.step
    step.phase, step.step = "statistics", 0
    step.steps = statistics_batches(run.network, run.data, run.chunk_rows) if wanted else 0
    if step.steps:
        yield step


def _population_statistics(run: TrainingRun) -> Iterator[Step]:
    step = run.step
    if step.steps:
        for done in reestimate(run.network, run.data, run.chunk_rows, run.moments, step.step):
            step.step = done
            yield step
        _check_weights(run)
    run.network.eval()


def _finite(run: TrainingRun, metrics: Metrics, what: str) -> Metrics:
    if not all(math.isfinite(value) for value in metrics.values()):
        raise _diverged(run, what)
    return metrics


def _check_weights(run: TrainingRun) -> None:
    for name, tensor in run.network.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise _diverged(run, name)


def _diverged(run: TrainingRun, what: str) -> Diverged:
    return Diverged(
        f"training diverged: {what} was no longer a finite number {_place(run)}; try a learning rate ten times "
        "smaller, or set gradient_clip_norm to 1"
    )


def _place(run: TrainingRun) -> str:
    step = run.step
    if step.phase == "statistics":
        return "in the population statistics"
    rate = _learning_rate(run, (step.epoch - 1) * step.steps + step.step - 1)
    return f"at step {step.step} of epoch {step.epoch}, with a learning rate of {rate:g}"

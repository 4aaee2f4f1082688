"""The complete state of a run, taken at any yield, so that another process can go on with the same bits.

There is no random state in it: orders and masks are functions of the seed and of the position.
"""

from pydantic import ValidationError
from torch import Tensor

from app.domain.data.schema import Frozen
from app.domain.training.events import Phase
from app.domain.training.run import TrainingRun
from app.domain.training.schedules import Plateau
from app.errors import Damaged


class Numbers(Frozen):
    """The part of a state that is no tensor. JSON keeps every bit of a float."""

    phase: Phase
    epoch: int
    step: int
    steps: int
    horizon: int
    rows_summed: int
    moments_rows: int
    monitor: str
    label_smoothing: float
    best_value: float | None
    waited: int
    plateau_factor: float
    plateau_lowest: float | None
    plateau_waited: int


def take(run: TrainingRun) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The state as named tensors and a JSON object.

    The tensors are the run's own, not copies: write or copy them before the run goes on.
    """
    tensors = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.weights.items()}
    for index, parameter in enumerate(run.parameters):
        for name, tensor in run.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{index}.{name}"] = tensor
    tensors |= {"sums": run.sums.totals, "moments.mean": run.moments.mean, "moments.squares": run.moments.squares}
    return tensors, _numbers(run).model_dump(mode="json")


def restore(
    run: TrainingRun, tensors: dict[str, Tensor], document: dict[str, object], *, new_horizon: bool = False
) -> None:
    """Puts a taken state into a run just started with the same network, data, plan and settings.

    With more `epochs` than before it goes on to them; its schedule keeps its first horizon, and the rate that a plateau
    has come to, unless `new_horizon`. What was best so far is forgotten where the settings follow something else now.
    The run gets copies of the tensors. Raises `Damaged` where the state cannot be one of such a run.
    """
    try:
        numbers = Numbers.model_validate(document)
        run.network.load_state_dict(_part(tensors, "network."))
        run.sums.totals.copy_(tensors["sums"])
        moments = (tensors["moments.mean"], tensors["moments.squares"])
    except (ValidationError, RuntimeError, KeyError) as error:
        raise Damaged(f"the checkpoint is not one of this run: {error}") from error
    if numbers.phase == "training" and numbers.steps != run.plan.steps:
        raise Damaged(f"the checkpoint has {numbers.steps} steps an epoch; this run has {run.plan.steps}")
    run.moments.rows = numbers.moments_rows
    device = run.sums.totals.device
    run.moments.mean, run.moments.squares = (tensor.to(device, copy=True) for tensor in moments)
    run.sums.rows = numbers.rows_summed
    _restore_optimizer(run, _part(tensors, "optimizer."))
    run.step.phase, run.step.epoch = numbers.phase, numbers.epoch
    run.step.step, run.step.steps = numbers.step, numbers.steps
    _restore_best(run, numbers, tensors)
    if not new_horizon:
        run.horizon = numbers.horizon
        _restore_plateau(run, numbers)


def _numbers(run: TrainingRun) -> Numbers:
    return Numbers(
        phase=run.step.phase,
        epoch=run.step.epoch,
        step=run.step.step,
        steps=run.step.steps,
        horizon=run.horizon,
        rows_summed=run.sums.rows,
        moments_rows=run.moments.rows,
        monitor=run.best.monitor,
        label_smoothing=run.settings.label_smoothing,
        best_value=run.best.value,
        waited=run.best.waited,
        plateau_factor=run.plateau.factor,
        plateau_lowest=run.plateau.lowest,
        plateau_waited=run.plateau.waited,
    )


def _restore_best(run: TrainingRun, numbers: Numbers, tensors: dict[str, Tensor]) -> None:
    best, device = run.best, run.sums.totals.device
    comparable = _same_losses(run, numbers) or not best.monitor.endswith("_loss")
    if numbers.monitor == best.monitor and comparable:
        weights = {name: tensor.to(device, copy=True) for name, tensor in _part(tensors, "best.").items()}
        best.go_on(numbers.best_value, numbers.waited, weights)


def _restore_plateau(run: TrainingRun, numbers: Numbers) -> None:
    run.plateau = Plateau(numbers.plateau_factor)
    if _same_losses(run, numbers):
        run.plateau.lowest, run.plateau.waited = numbers.plateau_lowest, numbers.plateau_waited


def _same_losses(run: TrainingRun, numbers: Numbers) -> bool:
    """Whether losses mean what they did when the state was taken: labels smoothed more make all of them larger."""
    return numbers.label_smoothing == run.settings.label_smoothing


def _restore_optimizer(run: TrainingRun, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        index, name = path.split(".")
        state.setdefault(int(index), {})[name] = tensor.clone()
    # The optimiser numbers its parameters group by group; the state is numbered as the network's parameters are.
    grouped = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
    places = {parameter: place for place, parameter in enumerate(grouped)}
    run.optimizer.load_state_dict(
        {
            "state": {places[run.parameters[index]]: values for index, values in state.items()},
            "param_groups": run.optimizer.state_dict()["param_groups"],
        }
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

"""Do the training settings fit the network and the task? Told before anything runs."""

from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import Loss, Sgd, TrainingSettings
from app.domain.task import Task
from app.errors import FieldError, InvalidSettings

_REGRESSION_LOSSES: tuple[Loss, ...] = ("mean_squared_error", "mean_absolute_error", "huber")


def check_settings(spec: NetworkSpec, task: Task, settings: TrainingSettings) -> None:
    """Raises `InvalidSettings`, naming the field, where `settings` cannot train a resolved `spec` for `task`."""
    resolved_loss(spec, task, settings)
    if task is Task.REGRESSION:
        _check_no_classes_needed(settings)
    _check_monitor(task, settings)
    _check_optimizer(settings)
    if settings.validation.fraction is not None and settings.validation.dataset is not None:
        raise _unfit("validation", "give either a fraction or a dataset, not both", settings.validation.dataset)


def check_monitor(settings: TrainingSettings, validation_rows: int) -> None:
    """Raises `InvalidSettings` where early stopping would watch rows that there are none of."""
    rule = settings.early_stopping
    if rule is not None and rule.monitor.startswith("validation_") and validation_rows == 0:
        raise _unfit("early_stopping/monitor", "no rows are held out; monitor train_eval_loss", rule.monitor)


def resolved_loss(spec: NetworkSpec, task: Task, settings: TrainingSettings) -> Loss:
    """The loss that `settings.loss` stands for: "auto" is the one that fits the output.

    Raises `InvalidSettings` (`loss_mismatch`) for a loss that does not fit it.
    """
    fitting: tuple[Loss, ...] = _REGRESSION_LOSSES
    if task is Task.CLASSIFICATION:
        fitting = ("binary_cross_entropy",) if spec.output_activation == "sigmoid" else ("cross_entropy",)
    if settings.loss == "auto":
        return fitting[0]
    if settings.loss not in fitting:
        raise _unfit(
            "loss",
            f"a {task} with a {spec.output_activation} output trains with {' or '.join(fitting)}",
            settings.loss,
            code="loss_mismatch",
        )
    return settings.loss


def _check_no_classes_needed(settings: TrainingSettings) -> None:
    if settings.class_weight is not None:
        raise _unfit("class_weight", "a regression has no classes to weigh", settings.class_weight)
    if settings.label_smoothing:
        raise _unfit("label_smoothing", "a regression has no labels to smooth", settings.label_smoothing)


def _check_monitor(task: Task, settings: TrainingSettings) -> None:
    if settings.early_stopping is None:
        return
    monitor = settings.early_stopping.monitor
    if not monitor.endswith("_loss") and (monitor == "validation_accuracy") != (task is Task.CLASSIFICATION):
        raise _unfit("early_stopping/monitor", f"a {task} does not measure it; monitor validation_loss", monitor)


def _check_optimizer(settings: TrainingSettings) -> None:
    optimizer = settings.optimizer
    if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
        raise _unfit("optimizer/nesterov", "needs a momentum above 0", True)


def _unfit(field: str, message: str, received: object, code: str | None = None) -> InvalidSettings:
    return InvalidSettings(
        f"{field.replace('/', '.')} {received!r} does not fit: {message}",
        code=code,
        errors=(FieldError(f"/training/{field}", message, str(received)),),
    )

"""What a run that has ended goes on with: its own settings, and what of them is asked for anew."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.domain.plan.settings import TrainingSettings
from app.domain.strict import Strict
from app.errors import Conflict, FieldError, InvalidSettings
from app.storage import datasets, runs
from app.storage.database import Session
from app.storage.resumption import Inheritance, Source
from app.web.schemas import ModelName, RunRequest, Tags
from app.web.submission import Asked

Json = dict[str, Any]
FIXED = {
    "seed": "it decides which rows train and in which order",
    "batch_size": "it decides the steps that an epoch has, and the checkpoint counts in those",
    "validation": "it decides which rows train and which are held out",
    "loss": "it decides what the checkpoint's best epoch and its optimiser's moments mean",
    "class_weight": "it decides what the checkpoint's best epoch and its optimiser's moments mean",
}
"""The settings that cannot change from a checkpoint on, each with the reason."""


def _as_changes(schema: Json) -> None:
    """The schema of all settings becomes one of changes: without what is fixed, and without defaults."""
    for name in FIXED:
        del schema["properties"][name]
    for part in schema["properties"].values():
        part.pop("default", None)


def _fixed(name: str, given: object) -> InitErrorDetails:
    what = PydanticCustomError("fixed", "`{name}` cannot change: {reason}", {"name": name, "reason": FIXED[name]})
    return InitErrorDetails(type=what, loc=(name,), input=given)


class ResumedTraining(TrainingSettings):
    """What of a run's settings may change. What is left out stays, in `optimizer` and `early_stopping` too."""

    model_config = ConfigDict(json_schema_extra=_as_changes)

    @model_validator(mode="before")
    @classmethod
    def _refuse_fixed(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        found = [_fixed(name, data[name]) for name in FIXED if name in data]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return data


class ResumeRequest(Strict):
    """`epochs`, short for `training.epochs`, counts those of the old run as well; all else stays unless given."""

    training: ResumedTraining | None = None
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    model: ModelName | None = None
    tags: Tags | None = None

    def canonical(self) -> bytes:
        """What was sent, in one form: a default that was sent is not one that was left out."""
        return self.model_dump_json(exclude_unset=True).encode()

    def changes(self) -> Json:
        """The settings that were sent. Raises `InvalidSettings` where two numbers of epochs were."""
        sent: Json = {} if self.training is None else self.training.model_dump(mode="json", exclude_unset=True)
        if self.epochs is None:
            return sent
        if sent.get("epochs", self.epochs) != self.epochs:
            field = FieldError("/epochs", f"/training/epochs says {sent['epochs']}; give one of them", str(self.epochs))
            raise InvalidSettings("epochs and training.epochs differ; give one of them", errors=(field,))
        return {**sent, "epochs": self.epochs}


def asked_again(session: Session, project: str, source: Source) -> Asked:
    """What the old run names, read from the database."""
    run = source.run
    other = run.validation_dataset_id
    return Asked(
        network_id=run.network_id,
        spec=runs.network_of(run),
        data=datasets.get(session, project, run.dataset_id),
        validation=None if other is None else datasets.get(session, project, other),
    )


def resumed(source: Source, wanted: ResumeRequest) -> RunRequest:
    """The old run as a request, with what is asked for anew.

    Raises `Conflict` where the old one has succeeded and no more epochs are asked for, `InvalidSettings` for another
    optimiser and for epochs that it has behind it.
    """
    run, changes = source.run, wanted.changes()
    if run.job.status == "succeeded":
        if "epochs" not in changes:
            raise Conflict(
                f"the run has succeeded with {source.epochs} epochs; ask for more `epochs` than that",
                code="already_complete",
            )
        _check_epochs(wanted, source.epochs)
    _check_optimizer(run.training["optimizer"]["name"], changes)
    return RunRequest(
        dataset=run.dataset_id,
        network=runs.network_of(run),
        model=run.model if wanted.model is None else wanted.model,
        training=TrainingSettings.model_validate(_merged(run.training, changes)),
        tags=tuple(tag.tag for tag in run.tags) if wanted.tags is None else wanted.tags,
        priority=run.job.priority,
    )


def check_epochs(wanted: ResumeRequest, state: Inheritance) -> None:
    """Raises `InvalidSettings` where epochs are asked for that the state has behind it."""
    if "epochs" in wanted.changes():
        _check_epochs(wanted, state.epochs)


def _check_epochs(wanted: ResumeRequest, behind: int) -> None:
    epochs = wanted.changes()["epochs"]
    if epochs <= behind:
        pointer = "/training/epochs" if wanted.epochs is None else "/epochs"
        field = FieldError(pointer, f"must be more than the {behind} that are done", str(epochs))
        raise InvalidSettings(f"{pointer}: {behind} epochs are done; ask for more than that", errors=(field,))


def _check_optimizer(name: str, changes: Json) -> None:
    given = changes.get("optimizer", {}).get("name", name)
    if given != name:
        message = f"the checkpoint holds the state of {name}: go on with that, or submit a new run"
        field = FieldError("/training/optimizer/name", f"must be {name}", given)
        raise InvalidSettings(message, code="optimizer_mismatch", errors=(field,))


def _merged(old: Json, changes: Json) -> Json:
    """`old` with `changes` put in, objects field by field."""
    nested = {
        name: {**old[name], **value}
        for name, value in changes.items()
        if isinstance(value, dict) and isinstance(old.get(name), dict)
    }
    return {**old, **changes, **nested}

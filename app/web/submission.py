"""A run as asked for → a run that can be trained: checked against its dataset before anything is recorded."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.data.columns import Columns
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec
from app.domain.plan.compatibility import resolved_loss
from app.domain.plan.findings import Finding, find
from app.domain.plan.preparation import DEFAULT_FRACTION, Preparation, prepare
from app.domain.plan.settings import TrainingSettings, Validation
from app.errors import FieldError, InvalidDataset, InvalidNetwork, InvalidSettings, NotFound
from app.storage import datasets, networks
from app.storage.blobs import Blobs
from app.storage.database import Session
from app.storage.runs import Submission
from app.storage.tables import DatasetRow
from app.web.schemas import RunCheckView, RunRequest
from app.web.views import counts, refuse_errors

MAX_MEMORY_BYTES = 16 << 30


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked run: what to record, and what it will do."""

    submission: Submission
    preparation: Preparation
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request names, read from the database: so no transaction is open while the data is looked at."""

    network_id: str | None
    spec: NetworkSpec
    data: DatasetRow
    validation: DatasetRow | None


def gather(session: Session, project: str, wanted: RunRequest) -> Asked:
    """Raises `NotFound`, or `InvalidSettings` for a validation dataset that is not there."""
    network_id, spec = _network(session, project, wanted)
    data = datasets.get(session, project, wanted.dataset)
    other = wanted.training.validation.dataset
    return Asked(network_id, spec, data, _validation_row(session, project, other) if other is not None else None)


def plan(blobs: Blobs, asked: Asked, wanted: RunRequest) -> Plan:
    """Raises `InvalidNetwork`, `InvalidSettings` or `InvalidDataset` for a run that could not train."""
    findings = find(asked.spec)
    training = _drawn(wanted.training)
    with _pointing_into_request():
        refuse_errors(findings)
        columns = _columns(blobs, asked.data)
        validation = None if asked.validation is None else _columns(blobs, asked.validation)
        preparation = prepare(columns, asked.spec, training, validation)
    _check_memory(preparation)
    loss = resolved_loss(preparation.spec, columns.schema.task, training)
    submission = Submission(
        dataset_id=asked.data.id,
        validation_dataset_id=None if asked.validation is None else asked.validation.id,
        network_id=asked.network_id,
        network=preparation.spec,
        model=_model_name(wanted.model, asked.data.name),
        training=training.model_copy(update={"loss": loss}),
        tags=list(wanted.tags),
        priority=wanted.priority,
    )
    return Plan(submission, preparation, findings)


def check_view(checked: Plan) -> RunCheckView:
    """What the run would do, in numbers and in words."""
    preparation, batches = checked.preparation, checked.preparation.batches
    notes = {
        "full": "every batch is full",
        "smaller": f"the last batch of an epoch has {batches.last_batch} rows",
        "joined": f"an orphan row joins the batch before it, which so has {batches.last_batch} rows",
    }
    wanted = checked.submission.training.batch_size
    cut = [f"batch_size {wanted} is cut to the {batches.rows} training rows"] if wanted > batches.rows else []
    parameters = counts(preparation.parameters)
    assert parameters is not None
    return RunCheckView(
        rows={"training": len(preparation.training_rows), "validation": len(preparation.validation_rows)},
        input_shape=list(preparation.preprocessing.input_shape),
        steps_per_epoch=batches.steps,
        batch_size=batches.batch_size,
        last_batch={"rows": batches.last_batch, "handling": batches.last_batch_is},
        parameters=parameters,
        memory_bytes=preparation.memory_bytes,
        summary=list(summarize(preparation.spec).layers),
        findings=list(checked.findings),
        notes=[*cut, notes[batches.last_batch_is]],
    )


def _columns(blobs: Blobs, row: DatasetRow) -> Columns:
    return datasets.open_columns(blobs, datasets.schema_of(row), datasets.files_of(row))


def _check_memory(preparation: Preparation) -> None:
    needed, allowed = preparation.memory_bytes >> 20, MAX_MEMORY_BYTES >> 20
    if needed > allowed:
        message = f"the run would take about {needed} MB of memory; {allowed} are allowed"
        fields = (
            FieldError("/network", "its rows or layers are too large for so many rows or so large a batch"),
            FieldError("/training/batch_size", "a smaller batch takes less", str(preparation.batches.batch_size)),
        )
        raise InvalidSettings(message, code="memory_too_large", errors=fields)


def _network(session: Session, project: str, wanted: RunRequest) -> tuple[str | None, NetworkSpec]:
    if isinstance(wanted.network, str):
        return wanted.network, networks.spec_of(networks.get(session, project, wanted.network))
    return None, wanted.network


def _drawn(training: TrainingSettings) -> TrainingSettings:
    seed = training.seed if training.seed is not None else secrets.randbits(31)
    validation = training.validation
    if validation.dataset is None and validation.fraction is None:
        validation = Validation(fraction=DEFAULT_FRACTION)
    return training.model_copy(update={"seed": seed, "validation": validation})


def _validation_row(session: Session, project: str, dataset_id: str) -> DatasetRow:
    try:
        return datasets.get(session, project, dataset_id)
    except NotFound as error:
        field = FieldError("/training/validation/dataset", "is not a dataset", dataset_id)
        raise InvalidSettings("the validation dataset is not there", code=error.code, errors=(field,)) from None


def _model_name(wanted: str | None, dataset: str) -> str:
    name = wanted or re.sub(r"[^A-Za-z0-9._-]+", "-", dataset).strip("-._")[:100] or "model"
    if name != "stats":
        return name
    if wanted is None:
        return "stats-model"
    raise InvalidSettings(
        "`stats` is reserved; choose another model name",
        code="name_reserved",
        errors=(FieldError("/model", "is reserved", name),),
    )


@contextmanager
def _pointing_into_request() -> Iterator[None]:
    try:
        yield
    except InvalidNetwork as error:
        fields = tuple(FieldError(f"/network{field.pointer}", field.message, field.received) for field in error.errors)
        raise InvalidNetwork(error.detail, code=error.code, errors=fields) from None
    except InvalidDataset as error:
        # A stored dataset is valid by itself: it is the one to validate with that does not fit.
        found = error.errors or (FieldError("", error.detail),)
        fields = tuple(FieldError("/training/validation/dataset", field.message, field.received) for field in found)
        raise InvalidDataset(error.detail, code=error.code, errors=fields) from None

"""Rows → what is answered."""

from typing import Any

from app.domain.data.schema import Column, ColumnType, DatasetSchema
from app.domain.network.layers import Parameters
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec
from app.domain.plan.findings import Finding, find
from app.errors import FieldError, InvalidNetwork
from app.storage import datasets, networks
from app.storage.inherited_epochs import INHERITED
from app.storage.tables import DatasetRow, EpochRow, NetworkRow, RunRow
from app.web.moments import moment, moment_or_none
from app.web.schemas import (
    ClassView,
    DatasetView,
    FeatureView,
    NetworkCheckView,
    NetworkView,
    RunErrorView,
    RunView,
    TargetView,
)


def dataset_view(row: DatasetRow) -> DatasetView:
    """A dataset with what was found in its columns."""
    schema = datasets.schema_of(row)
    return DatasetView(
        id=row.id,
        name=row.name,
        kind=schema.kind,
        sha256=row.sha256,
        bytes=row.bytes,
        rows=schema.rows,
        task=schema.task,
        target=_target_view(schema),
        features=[_feature_view(column) for column in schema.features],
        warnings=list(schema.warnings),
        created_at=moment(row.created_at),
    )


def network_view(row: NetworkRow) -> NetworkView:
    checked = checked_network(networks.spec_of(row))
    return NetworkView(id=row.id, name=row.name, created_at=moment(row.created_at), **dict(checked))


def checked_network(spec: NetworkSpec) -> NetworkCheckView:
    """Summary, counts and findings of a spec. Raises `InvalidNetwork` for a spec that findings refuse."""
    findings = find(spec)
    refuse_errors(findings)
    summary = summarize(spec)
    return NetworkCheckView(
        input_shape=list(spec.input_shape) if spec.input_shape else None,
        layers=[layer.document() for layer in spec.layers],
        summary=list(summary.layers),
        parameters=counts(summary.parameters),
        findings=list(findings),
    )


def counts(parameters: Parameters | None) -> dict[str, int] | None:
    """How many numbers a network has; None while its input is not known."""
    if parameters is None:
        return None
    return {"total": parameters.total, "trainable": parameters.trainable, "non_trainable": parameters.non_trainable}


def refuse_errors(findings: tuple[Finding, ...]) -> None:
    """Raises `InvalidNetwork` with every finding that is an error."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        fields = tuple(
            FieldError("/layers" if finding.layer is None else f"/layers/{finding.layer}", finding.message)
            for finding in errors
        )
        raise InvalidNetwork(f"{errors[0].message}: {errors[0].why}", code=errors[0].code, errors=fields)


def run_view(row: RunRow) -> RunView:
    """A run: what was asked, how far it is, and what came of it."""
    job = row.job
    error = RunErrorView(code=job.error_code, message=job.error_message) if job.error_code else None
    return RunView(
        id=row.id,
        status=job.status,
        priority=job.priority,
        attempt=job.attempt,
        resumed_from=row.resumed_from,
        dataset=row.dataset_id,
        network={**({"id": row.network_id} if row.network_id else {}), **row.network},
        model=row.model,
        training=row.training,
        progress=row.progress,
        metrics=row.metrics,
        error=error,
        result=row.result,
        environment=row.environment,
        tags=[tag.tag for tag in row.tags],
        created_at=moment(row.created_at),
        started_at=moment_or_none(job.started_at),
        finished_at=moment_or_none(job.finished_at),
    )


def epoch_view(row: EpochRow) -> dict[str, Any]:
    """An epoch's report; only those of the run that this one goes on from say so."""
    return {**row.report, "inherited": True} if row.attempt == INHERITED else row.report


def epoch_table(reports: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Epoch reports as a table: column names such as `validation_loss`, and a row an epoch."""
    flat = [
        {
            f"{key}_{name}" if isinstance(value, dict) else key: inner
            for key, value in report.items()
            for name, inner in (value.items() if isinstance(value, dict) else [(key, value)])
        }
        for report in reports
    ]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    return columns, [[row.get(name, "") for name in columns] for row in flat]


def _feature_view(column: Column) -> FeatureView:
    def shown(value: float | None) -> float | str | None:
        return value if value is None or column.type is not ColumnType.DATE else moment(value)

    return FeatureView(
        name=column.name,
        type=column.type,
        missing=column.missing,
        minimum=shown(column.minimum),
        maximum=shown(column.maximum),
        mean=shown(column.mean),
        categories=list(column.categories) or None,
    )


def _target_view(schema: DatasetSchema) -> TargetView:
    target = schema.target
    classes = [ClassView(label=label, count=count) for label, count in zip(schema.classes, target.counts, strict=False)]
    return TargetView(
        name=target.name, classes=classes or None, minimum=target.minimum, maximum=target.maximum, mean=target.mean
    )

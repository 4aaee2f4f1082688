"""A table's columns, stored and described."""

from contextlib import closing
from pathlib import Path

from app.domain.data.schema import Column, DatasetSchema, Kind, ReadRequest, Task
from app.errors import TooLarge
from app.ingest.findings import check, findings, listed
from app.ingest.leaks import leaks
from app.ingest.limits import Limits
from app.ingest.plan import planned
from app.ingest.table import Table
from app.ingest.writer import Writer


def stored(table: Table, output: Path, request: ReadRequest, limits: Limits, kind: Kind = Kind.TABLE) -> DatasetSchema:
    """Read `table` as `request` asks into arrays in `output`. Raises InvalidDataset and TooLarge."""
    plan = planned(table.names, table.looks(), request)
    with closing(Writer(output, plan, limits)) as writer:
        for parts in table.parts(plan.fields):
            writer.add(parts)
        *features, target = writer.columns()
    _check_size((*features, target), limits)
    task = Task.REGRESSION if plan.target.numeric else Task.CLASSIFICATION
    check(target, task, writer.rows)
    found = findings(tuple(features), target, task, writer.rows, writer.dropped)
    given_away = leaks(output, tuple(features), target, task)
    return DatasetSchema(
        kind=kind,
        task=task,
        rows=writer.rows,
        features=tuple(features),
        target=target,
        warnings=tuple(listed((*table.warnings, *plan.warnings, *found, *given_away))),
    )


def _check_size(columns: tuple[Column, ...], limits: Limits) -> None:
    if sum(len(text) for column in columns for text in column.categories) > limits.schema_characters:
        raise TooLarge(f"The categories of all columns have more than {limits.schema_characters:,} characters.")

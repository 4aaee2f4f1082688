"""What a user should know of a dataset before training on it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from app.domain.data.schema import OTHER, Column, ColumnType, Task, Warning
from app.errors import InvalidDataset, shown

RARE_ROWS = 10
RARE_SHARE = 0.01
MISSING_SHARE = 0.5
_LISTED = 5
_MOST_OF_A_CODE = 20


def check(target: Column, task: Task, rows: int) -> None:
    """Raise InvalidDataset where nothing can be learned: too few rows, or a target of one value only."""
    if rows < 2:
        raise InvalidDataset(f"The dataset has {rows} rows with a target; at least two are needed.")
    if task is Task.CLASSIFICATION and len(target.categories) < 2:
        raise InvalidDataset(
            f"The target '{shown(target.name)}' has one class only, '{shown(target.categories[0])}'; "
            "at least two are needed."
        )
    if task is Task.REGRESSION and target.minimum == target.maximum:
        raise InvalidDataset(f"The target '{shown(target.name)}' has one value only, {target.minimum:g}.")


def findings(features: tuple[Column, ...], target: Column, task: Task, rows: int, dropped: int) -> Iterator[Warning]:
    """Warnings that the counts alone give."""
    if dropped:
        message = f"{dropped:,} rows have no value for the target '{shown(target.name)}' and were dropped."
        yield Warning(code="missing_target_rows_dropped", message=message)
    for column in features:
        yield from _of_feature(column, rows)
    if task is Task.CLASSIFICATION:
        yield from _of_classes(target, rows)


def listed(warnings: Iterable[Warning]) -> Iterator[Warning]:
    """The warnings, of each code the first `_MOST_OF_A_CODE` only: a file may have thousands of columns."""
    seen: Counter[str] = Counter()
    for warning in warnings:
        seen[warning.code] += 1
        if seen[warning.code] <= _MOST_OF_A_CODE:
            yield warning
    for code, times in seen.items():
        if times > _MOST_OF_A_CODE:
            yield Warning(code=code, message=f"The same holds of {times - _MOST_OF_A_CODE:,} more columns.")


def _of_feature(column: Column, rows: int) -> Iterator[Warning]:
    name = shown(column.name)
    if _is_constant(column):
        message = f"Column '{name}' has one value only, so nothing can be learned from it."
        yield Warning(code="constant_column", message=message)
    if column.missing > MISSING_SHARE * rows:
        yield Warning(
            code="high_missing", message=f"Column '{name}' is missing in {column.missing:,} of {rows:,} rows."
        )
    if column.type is ColumnType.CATEGORICAL and column.categories[-1:] == (OTHER,):
        message = (
            f"Column '{name}' has more than {len(column.categories) - 1} distinct values; the most frequent were kept "
            f"and the others, in {column.counts[-1]:,} rows, count as one."
        )
        yield Warning(code="categories_folded", message=message)


def _is_constant(column: Column) -> bool:
    if column.counts:
        return sum(count > 0 for count in column.counts) == 1
    return column.minimum is not None and column.minimum == column.maximum


def _of_classes(target: Column, rows: int) -> Iterator[Warning]:
    counted = list(zip(target.categories, target.counts, strict=True))
    single = [label for label, count in counted if count == 1]
    rare = [label for label, count in counted if count > 1 and (count < RARE_ROWS or count < RARE_SHARE * rows)]
    if single:
        message = f"{_listed(single)} of the target in one row only: it is in training or in testing, never in both."
        yield Warning(code="one_row_class", message=message)
    if rare:
        message = f"{_listed(rare)} of the target in few rows (below {RARE_ROWS} or {RARE_SHARE:.0%})."
        yield Warning(code="rare_class", message=message)


def _listed(labels: list[str]) -> str:
    some = ", ".join(f"'{shown(label, 40)}'" for label in labels[:_LISTED])
    more = f" and {len(labels) - _LISTED:,} more" if len(labels) > _LISTED else ""
    return f"Class {some} is" if len(labels) == 1 else f"Classes {some}{more} are"

"""Which columns are kept, as what, and which of them is the target."""

from collections.abc import Sequence

from app.domain.data.schema import ColumnRequest, ColumnType, ReadRequest, Warning
from app.errors import FieldError, InvalidDataset, shown
from app.ingest.faults import cell_fault, column_fault
from app.ingest.leaving import left_out
from app.ingest.table import Field, Look, Plan

CLASS_VALUES = 20
"""A numeric target of up to this many distinct whole numbers is one of classes, unless the request says otherwise."""
_NOTHING = ColumnRequest()


def planned(names: Sequence[str], looks: Sequence[Look], request: ReadRequest) -> Plan:
    """Decide for every column. Raises InvalidDataset for a request that the columns cannot meet."""
    target = _target_name(names, request)
    features: list[Field] = []
    warnings: list[Warning] = []
    for look in looks:
        asked = request.columns.get(look.name, _NOTHING)
        if look.name == target or asked.role == "ignore":
            continue
        warning = left_out(look, asked)
        if warning is None:
            features.append(_field(look, asked))
        else:
            warnings.append(warning)
    if not features:
        reasons = " ".join(warning.message for warning in warnings)
        raise InvalidDataset(f"No feature is left beside the target '{shown(target)}'. {reasons}".strip())
    look = next(look for look in looks if look.name == target)
    return Plan(tuple(features), target_field(look, request), tuple(warnings))


def _target_name(names: Sequence[str], request: ReadRequest) -> str:
    known = set(names)
    listed = shown(", ".join(names), 400)
    for name in request.columns:
        if name not in known:
            raise column_fault(name, f"there is no such column; the columns are {listed}")
    target = names[-1] if request.target is None else request.target
    if target not in known:
        message = f"There is no column '{shown(target)}'; the columns are {listed}."
        raise InvalidDataset(message, errors=(FieldError("/target", "no such column", shown(target)),))
    if request.columns.get(target, _NOTHING).role == "ignore":
        raise column_fault(target, "it is the target and cannot be ignored")
    return target


def _field(look: Look, asked: ColumnRequest) -> Field:
    """The column as its request says, or else as it looks."""
    type_ = look.type if asked.type is None else ColumnType(asked.type)
    if type_ is ColumnType.BOOLEAN and len(look.spellings) != 2:
        if not (look.type is ColumnType.NUMERIC and look.whole and look.distinct <= 2):
            raise column_fault(look.name, "it does not hold the two spellings of a boolean (such as true and false)")
        return Field(look.name, type_, ("0", "1"))
    if asked.type is None and look.odd is not None:
        row, cell = look.odd
        raise cell_fault(row + 1, look.name, "a number", cell)
    return Field(look.name, type_, look.spellings if type_ is ColumnType.BOOLEAN else ())


def target_field(look: Look, request: ReadRequest) -> Field:
    """The target as classes (categorical) or as numbers. Raises InvalidDataset for what it cannot be."""
    asked = request.columns.get(look.name, _NOTHING).type
    if look.present == 0:
        raise column_fault(look.name, "it is the target and every value is missing")
    task = request.task
    if task == "auto" and asked is not None:
        task = "regression" if asked == "numeric" else "classification"
    if task == "auto":
        task = "regression" if _is_quantity(look) else "classification"
    if asked == "date" or (asked is None and look.type is ColumnType.DATE):
        raise column_fault(look.name, "it holds dates, which cannot be a target")
    if task == "classification":
        return Field(look.name, ColumnType.CATEGORICAL)
    if look.type is not ColumnType.NUMERIC:
        message = "regression needs numbers, and it holds texts"
        raise InvalidDataset(f"Column '{look.name}': {message}.", errors=(FieldError("/task", message, "regression"),))
    return _field(look, ColumnRequest(type="numeric"))


def _is_quantity(look: Look) -> bool:
    if look.type is ColumnType.NUMERIC and look.odd is not None:
        raise cell_fault(look.odd[0] + 1, look.name, "a number", look.odd[1])
    return look.type is ColumnType.NUMERIC and not (look.whole and look.distinct <= CLASS_VALUES)

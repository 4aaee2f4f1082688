"""What the two processes say to one another: one order, one answer, a JSON line each."""

from app.domain.data.schema import DatasetSchema, Frozen, ReadRequest
from app.errors import (
    Damaged,
    DropnormError,
    FieldError,
    InvalidDataset,
    InvalidRows,
    Malformed,
    StorageFull,
    TooLarge,
    UnsupportedType,
)
from app.ingest.limits import Limits

_FAILURES: dict[str, type[DropnormError]] = {
    kind.__name__: kind
    for kind in (Damaged, InvalidDataset, InvalidRows, Malformed, StorageFull, TooLarge, UnsupportedType)
}


class Order(Frozen):
    """Read `source` (named `filename` by its sender) and leave its arrays in the folder `output`."""

    source: str
    filename: str
    output: str
    request: ReadRequest
    limits: Limits
    parent: int


class Fault(Frozen):
    pointer: str
    message: str
    received: str | None


class Failure(Frozen):
    """A named failure in words that can travel."""

    kind: str
    code: str
    detail: str
    errors: tuple[Fault, ...] = ()

    @staticmethod
    def of(error: DropnormError) -> "Failure":
        kind = type(error).__name__
        return Failure(
            kind=kind if kind in _FAILURES else InvalidDataset.__name__,
            code=error.code,
            detail=error.detail,
            errors=tuple(Fault(pointer=e.pointer, message=e.message, received=e.received) for e in error.errors),
        )

    def error(self) -> DropnormError:
        """The failure as the exception it was."""
        faults = tuple(FieldError(e.pointer, e.message, e.received) for e in self.errors)
        return _FAILURES.get(self.kind, InvalidDataset)(self.detail, code=self.code, errors=faults)


class Answer(Frozen):
    """What came of an order: exactly one of the two."""

    dataset: DatasetSchema | None = None
    failure: Failure | None = None

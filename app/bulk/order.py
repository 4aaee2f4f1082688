"""What the two processes say to one another: one order at the start of the input, then progress, a JSON line each."""

from enum import StrEnum

from app.domain.data.raw import InputReport
from app.domain.strict import Frozen
from app.ingest.order import Failure


class Source(StrEnum):
    """What is sent."""

    CSV = "csv"
    PARQUET = "parquet"


class Form(StrEnum):
    """What is answered. `values`: float32 [rows, outputs] as they lie in memory, and a report on the input."""

    CSV = "csv"
    PARQUET = "parquet"
    VALUES = "values"


class OpenFile(Frozen):
    """A file that the process inherits open, and the digest that it must have."""

    descriptor: int
    sha256: str


class Bounds(Frozen):
    """Sizes are in bytes, `seconds` are of computing; `rows` holds for the form `values` alone."""

    seconds: int
    memory_bytes: int
    output_bytes: int
    rows: int


class Order(Frozen):
    """Answer what follows on stdin into the open file `output`; `work` is an open file for what is sent."""

    source: Source
    form: Form
    preprocessing: OpenFile
    frozen: OpenFile
    output: int
    work: int
    probabilities: bool
    top: int | None
    calibrated: bool
    bounds: Bounds
    parent: int


class Report(Frozen):
    """An input report that can travel."""

    imputed: dict[str, int]
    unseen_categories: dict[str, dict[str, int]]
    out_of_range: dict[str, int]

    @staticmethod
    def of(report: InputReport) -> "Report":
        return Report(
            imputed=report.imputed, unseen_categories=report.unseen_categories, out_of_range=report.out_of_range
        )

    def report(self) -> InputReport:
        return InputReport(self.imputed, self.unseen_categories, self.out_of_range)


class Progress(Frozen):
    """How far an order is: bytes of input and rows that are answered, bytes of output. `done` or `failure` ends it."""

    read: int = 0
    rows: int = 0
    written: int = 0
    done: bool = False
    report: Report | None = None
    failure: Failure | None = None

"""Answers → a CSV or Parquet file, block after block; memory stays flat however many there are."""

from enum import StrEnum
from typing import BinaryIO, Protocol

from app.serving.csv_answers import CsvAnswers
from app.serving.printing import Values


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


class Writer(Protocol):
    """Writes to a file that was opened for bytes, which it does not close. Raises what the file does."""

    def write(self, values: Values) -> None:
        """The answers to some rows more: float32 [n, outputs], all of them finite."""

    def close(self) -> None:
        """Writes what is still held back: without it the file is not whole."""


def writer_for(
    format_: Format, file: BinaryIO, labels: tuple[str, ...] | None, *, probabilities: bool, top: int | None
) -> Writer:
    """A writer of answers that are probabilities of the classes `labels`, or numbers (None).

    `probabilities` and `top` are what a prediction's options of these names say.
    """
    if format_ is Format.CSV:
        return CsvWriter(file, labels, probabilities=probabilities, top=top)
    # Its library takes a while to start.
    from app.bulk.parquet_writer import ParquetWriter

    return ParquetWriter(file, labels, probabilities=probabilities, top=top)


class CsvWriter:
    """See `CsvAnswers`. The header is written at once."""

    def __init__(
        self, file: BinaryIO, labels: tuple[str, ...] | None, *, probabilities: bool = True, top: int | None = None
    ) -> None:
        self._file = file
        self._answers = CsvAnswers(labels, probabilities=probabilities, top=top)
        file.write(self._answers.header)

    def write(self, values: Values) -> None:
        self._file.write(self._answers.lines(values))

    def close(self) -> None:
        self._file.flush()

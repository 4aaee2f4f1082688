"""Text tables: CSV and TSV, plain or gzipped."""

from pathlib import Path

from app.domain.data.schema import DatasetSchema, ReadRequest
from app.ingest.assemble import stored
from app.ingest.csv_table import CsvTable
from app.ingest.formats import Format
from app.ingest.limits import Limits
from app.ingest.streams import opened

GZIPPED = (Format.CSV_GZIP, Format.TSV_GZIP)
TABBED = (Format.TSV, Format.TSV_GZIP)


def read_csv(source: Path, format_: Format, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read a text table into `output`. Raises InvalidDataset and TooLarge."""
    with source.open("rb") as file:
        read = opened(file, format_ in GZIPPED, source.stat().st_size, limits)
        table = CsvTable(read, "\t" if format_ in TABBED else ",", limits)
        return stored(table, output, request, limits)

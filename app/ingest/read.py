"""From an order to a dataset: the format decides who reads."""

from pathlib import Path

from app.domain.data.schema import DatasetSchema
from app.ingest.formats import Format, format_of, verify
from app.ingest.order import Order


def read(order: Order) -> DatasetSchema:
    """Carry out `order` in this process. Raises InvalidDataset, UnsupportedType, TooLarge, and OSError of the disk."""
    source, output = Path(order.source), Path(order.output)
    format_ = format_of(order.filename)
    with source.open("rb") as file:
        verify(format_, file.read(64))
    # Each reader is imported only when its turn comes: a CSV upload does not load the picture library.
    match format_:
        case Format.PARQUET:
            from app.ingest.parquet import read_parquet

            return read_parquet(source, output, order.request, order.limits)
        case Format.NPZ:
            from app.ingest.arrays import read_npz

            return read_npz(source, output, order.request, order.limits)
        case Format.ZIP:
            from app.ingest.folders import read_folders

            return read_folders(source, output, order.request, order.limits)
        case Format.ROWS:
            from app.ingest.inline import read_rows

            return read_rows(source, output, order.request, order.limits)
        case _:
            from app.ingest.tables import read_csv

            return read_csv(source, format_, output, order.request, order.limits)

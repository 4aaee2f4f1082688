"""Which predictions stream: tables of any length, which are answered in a process of their own."""

from collections.abc import Mapping

from app.bulk.order import Form, Source

CSV, PARQUET = b"text/csv", b"application/vnd.apache.parquet"
MOST_CSV_BYTES = 1 << 20
"""A CSV of up to so many bytes is answered by this process itself, which is faster for it."""
CSV_TO_CSV = (Source.CSV, Form.CSV)
MEDIA_TYPES: Mapping[Form, bytes] = {Form.CSV: b"text/csv; charset=utf-8", Form.PARQUET: PARQUET}


def streamed(path: str, headers: Mapping[bytes, bytes]) -> tuple[Source, Form] | None:
    """How a body is to be read and answered that streams through; None for one that is held in memory.

    A Parquet file always streams. So does a CSV that is long, or of unknown length, unless it is to be answered in
    JSON, which has bounds of its own.
    """
    sent = _media_type(headers.get(b"content-type", b""))
    if sent not in (CSV, PARQUET) or not path.endswith("/predict"):
        return None
    wanted = _media_type(headers.get(b"accept", b"").partition(b",")[0])
    if sent == PARQUET:
        return Source.PARQUET, {CSV: Form.CSV, PARQUET: Form.PARQUET}.get(wanted, Form.VALUES)
    if wanted == PARQUET:
        return Source.CSV, Form.PARQUET
    length = headers.get(b"content-length", b"")
    if wanted == CSV and not (length.isdigit() and int(length) <= MOST_CSV_BYTES):
        return CSV_TO_CSV
    return None


def _media_type(value: bytes) -> bytes:
    return value.partition(b";")[0].strip().lower()

"""Which format a file is read as: its name's ending says, its first bytes must agree."""

from enum import StrEnum

from app.errors import InvalidDataset, UnsupportedType, shown


class Format(StrEnum):
    """What a file name ends with, longest endings first. `ROWS` is a whole name: that of rows sent inline."""

    CSV_GZIP = ".csv.gz"
    TSV_GZIP = ".tsv.gz"
    CSV = ".csv"
    TSV = ".tsv"
    PARQUET = ".parquet"
    NPZ = ".npz"
    ZIP = ".zip"
    ROWS = "rows.json"


_MAGIC = {
    Format.CSV_GZIP: b"\x1f\x8b",
    Format.TSV_GZIP: b"\x1f\x8b",
    Format.PARQUET: b"PAR1",
    Format.NPZ: b"PK\x03\x04",
    Format.ZIP: b"PK",
}
_KNOWN = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a single NumPy array"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)


def format_of(filename: str) -> Format:
    """The format that `filename` ends with, in any case. Raises UnsupportedType, naming what is accepted."""
    lowered = filename.lower()
    for format_ in Format:
        if filename == format_ if format_ is Format.ROWS else lowered.endswith(format_):
            return format_
    accepted = ".csv, .tsv, .csv.gz, .tsv.gz, .parquet, .npz, .zip"
    ending = "." + lowered.rsplit(".", 1)[1] if "." in lowered else "no ending"
    # A name may hold what no reply can.
    received = shown(ending, 20).encode("ascii", "backslashreplace").decode()
    raise UnsupportedType(f"Files are accepted that end with {accepted}; this one's name has {received}.")


def verify(format_: Format, start: bytes) -> None:
    """Raise InvalidDataset where the file's first bytes contradict its name."""
    magic = _MAGIC.get(format_)
    if not start:
        raise InvalidDataset("The file is empty.")
    found = next((what for known, what in _KNOWN if start.startswith(known)), None)
    if magic is None and found is not None:
        raise InvalidDataset(f"The file is named {format_} but holds {found}.")
    if magic is not None and not start.startswith(magic):
        raise InvalidDataset(f"The file is named {format_} but holds {found or 'something else'}.")

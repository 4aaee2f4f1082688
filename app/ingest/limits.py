"""Every bound on what an upload may be and on what reading it may cost."""

from app.domain.data.schema import Frozen

PICTURE_PIXELS = 36_000_000
"""Most pixels that a picture may declare; checked before anything is decoded."""
PICTURE_SIDE = 512
"""Longest side of a stored picture, in pixels; larger ones are reduced."""
BLOCK_BYTES = 8 << 20
"""Text is cut into blocks of about this size; no record may be longer."""
SAMPLE_BYTES = 32 << 20
"""Column types are inferred from this much text from the start: from the whole file, when it is smaller."""
SAMPLE_ROWS = 200_000
"""Rows from the start that typed tables are judged by."""


class Limits(Frozen):
    """Bounds of one reading. Sizes are in bytes, counts are inclusive."""

    seconds: float = 300.0
    memory_bytes: int = 2 << 30
    output_bytes: int = 16 << 30
    inflated_bytes: int = 8 << 30
    inflation_ratio: int = 200
    rows: int = 50_000_000
    columns: int = 4_096
    header_bytes: int = 4 << 20
    cell_bytes: int = 1_000_000
    category_characters: int = 1_000
    schema_characters: int = 16_000_000
    distinct_values: int = 1_000_000
    distinct_characters: int = 100_000_000
    classes: int = 1_000
    pictures: int = 1_000_000
    picture_bytes: int = 32 << 20
    archive_entries: int = 200_000
    inline_bytes: int = 64 << 20

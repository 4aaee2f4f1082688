"""What is taken from a JPEG's metadata: which way is up. All the rest is cut out before Pillow sees the file.

CIPA DC-008, "Exchangeable image file format", 4.6; ITU-T T.81, "JPEG", B.1.
"""

import struct

_HEADER = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT = 3
_UPRIGHT = 1
_START_OF_SCAN = 0xDA
_METADATA = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
"""Application segments and comments; APP0 (JFIF) and APP14 (Adobe) say what the colors mean and stay."""


def without_metadata(jpeg: bytes) -> tuple[bytes, bytes]:
    """The file without its metadata segments, and its EXIF bytes, empty where it has none.

    Raises ValueError where the segments before the picture's data do not follow one another.
    """
    kept, exif, at = [jpeg[:2]], b"", 2
    while True:
        if len(jpeg) < at + 4 or jpeg[at] != 0xFF:
            raise ValueError("a segment is missing")
        marker = jpeg[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _START_OF_SCAN:
            return b"".join(kept) + jpeg[at:], exif
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker not in _METADATA:
            kept.append(jpeg[at:end])
        elif not exif and jpeg[at + 4 : end].startswith(_HEADER):
            exif = jpeg[at + 4 : end]
        at = end


def orientation(exif: object) -> int:
    """The orientation, 1 to 8, that the EXIF bytes give; 1 (upright) where they are absent or damaged."""
    if not isinstance(exif, bytes):
        return _UPRIGHT
    data = exif.removeprefix(_HEADER)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return _UPRIGHT
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, start)
        for place in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * place)
            if (tag, kind, count) == (_ORIENTATION, _SHORT, 1):
                return value if 1 <= value <= 8 else _UPRIGHT
    except struct.error:
        return _UPRIGHT
    return _UPRIGHT

"""The one thing of EXIF that matters here: which way is up. (CIPA DC-008, "Exchangeable image file format", 4.6.)"""

import struct

_HEADER = b"Exif\0\0"
_ORIENTATION = 0x0112
_SHORT = 3
_UPRIGHT = 1


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

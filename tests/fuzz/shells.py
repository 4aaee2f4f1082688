"""What files are wrapped in: checksums and archives that chance never gets right, so that what is inside is reached."""

import struct
import zlib

from tests.ingest.files import archive, npy

SIGNATURE = b"\x89PNG\r\n\x1a\n"
X = npy("'<f4'", (4, 2), bytes(32))
Y = npy("'|u1'", (4,), b"\0\1\0\1")


def mended_png(data: bytes) -> bytes:
    """A PNG file with each chunk's checksum put right; anything else as it is."""
    if not data.startswith(SIGNATURE):
        return data
    pieces, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        chunk = data[at + 4 : end]
        pieces += [data[at : at + 4], chunk, struct.pack(">I", zlib.crc32(chunk))]
        at = end + 4
    return b"".join(pieces) + data[at:]


def npz_of(data: bytes) -> bytes:
    """By the first byte: the rest as it is, or an honest archive whose `x` or `y` is the rest."""
    content = data[1:]
    match data[:1]:
        case b"x":
            return archive({"x.npy": content, "y.npy": Y})
        case b"y":
            return archive({"x.npy": X, "y.npy": content})
        case _:
            return content

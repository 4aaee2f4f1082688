"""Pictures and archives made by hand, honest and otherwise."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scene(height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """A smooth picture whose four corners differ: red, green, blue and gray."""
    corners = np.array([[[220, 30, 30], [30, 220, 30]], [[30, 30, 220], [128, 128, 128]]], np.uint8)
    image = Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(image, np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(height: int = 8, width: int = 8, shade: int = 100) -> bytes:
    """A plain PNG file."""
    return encoded(Image.new("RGB", (width, height), (shade, shade, shade)))


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of these (type, data) chunks."""
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def declared_png(width: int, height: int, depth: int = 8, color: int = 2) -> bytes:
    """A small PNG file that declares a large picture."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return png_chunks((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100_000)), (b"IEND", b""))


def deep_png(samples: NDArray[np.uint16]) -> bytes:
    """A PNG file of 16 bits a sample: [height, width] gray, [height, width, 3] RGB, or 2 and 4 with alpha."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    header = struct.pack(
        ">IIBBBBB", samples.shape[1], samples.shape[0], 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0
    )
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png_chunks((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def npy(descr: str, shape: tuple[int, ...], data: bytes, fortran: bool = False) -> bytes:
    """A NumPy array file whose header says what it is told to."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    padded = header + b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data


def npz(compressed: bool = False, **arrays: NDArray[np.generic]) -> bytes:
    """An NPZ archive as NumPy writes it."""
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()

"""Pictures: from a PNG or JPEG file, however odd, to upright 8-bit RGB, in training and in prediction alike.

Pillow's global registry is not used (`Image.open` warns, tries formats and keeps state): the two readers are named,
what a picture declares is checked before anything is decoded, and nothing here depends on warning filters, so that
threads may decode side by side.
"""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from app.errors import InvalidDataset
from app.ingest.exif import orientation, without_metadata
from app.ingest.limits import PICTURE_PIXELS, PICTURE_SIDE

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, OverflowError)
"""What Pillow raises on damaged files."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes) -> NDArray[np.uint8]:
    """A PNG or JPEG file as uint8 [height, width, 3]: upright by its EXIF, transparent parts on white.

    16-bit samples keep their upper 8 bits; the longest side is reduced to `PICTURE_SIDE`. Animated PNGs are refused.
    Raises InvalidDataset with code `picture_invalid`, saying what was wrong.
    """
    image, exif = _opened(data)
    width, height = image.size
    if width * height > PICTURE_PIXELS:
        raise _invalid(f"it declares {width:,} x {height:,} pixels; {PICTURE_PIXELS:,} are allowed")
    return _decoded(image, exif)


def decode_small(data: bytes, most_pixels: int) -> NDArray[np.uint8] | None:
    """As `decode`, for a file that declares `most_pixels` or fewer; None for a larger one."""
    image, exif = _opened(data)
    return _decoded(image, exif) if image.width * image.height <= most_pixels else None


def _decoded(image: PngImageFile | JpegImageFile, exif: object) -> NDArray[np.uint8]:
    if isinstance(image, JpegImageFile):
        # libjpeg reduces by 2, 4 or 8 while it decodes; what is left to reduce is left twice as large.
        image.draft(None, (2 * PICTURE_SIDE, 2 * PICTURE_SIDE))
    try:
        image.load()
        rgb = _on_white(_reduced(_plain(image)))
    except _DAMAGE as error:
        raise _invalid("it is truncated or damaged") from error
    turn = _UPRIGHT.get(orientation(exif))
    return np.asarray(rgb if turn is None else rgb.transpose(turn), np.uint8)


def declared_pixels(data: bytes) -> int:
    """How many pixels a picture says that it has; nothing is decoded. Raises as `decode` does."""
    width, height = _opened(data)[0].size
    return width * height


def _opened(data: bytes) -> tuple[PngImageFile | JpegImageFile, object]:
    """The file with its header read and nothing decoded, and its EXIF bytes."""
    try:
        if data.startswith(_PNG):
            if _animated(data):
                raise _invalid("it is animated")
            png = PngImageFile(io.BytesIO(data))
            return png, png.info.get("exif")
        if data.startswith(_JPEG):
            # Pillow warns of damaged metadata, which concerns nobody here.
            plain, exif = without_metadata(data)
            return JpegImageFile(io.BytesIO(plain)), exif
    except _DAMAGE as error:
        raise _invalid("its header is damaged") from error
    raise _invalid("it is neither PNG nor JPEG")


def _animated(png: bytes) -> bool:
    """Whether the file has a chunk of an animation before its picture's data; Pillow would warn of a damaged one."""
    at = len(_PNG)
    while at + 8 <= len(png):
        kind = png[at + 4 : at + 8]
        if kind in (b"acTL", b"IDAT"):
            return kind == b"acTL"
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return False


def _invalid(reason: str) -> InvalidDataset:
    return InvalidDataset(f"The picture cannot be used: {reason}.", code="picture_invalid")


def _plain(image: Image.Image) -> Image.Image:
    """The picture as L, LA, RGB or RGBA, 8 bits a sample."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        # Pillow's own conversion clips at 255.
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "PA":
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _reduced(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    if longest <= PICTURE_SIDE:
        return image
    width, height = (max(1, round(side * PICTURE_SIDE / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image if image.mode == "RGB" else image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layered).convert("RGB")


def reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture, uint8 [height, width, 3], with its longest side reduced to `PICTURE_SIDE`."""
    if max(picture.shape[:2]) <= PICTURE_SIDE:
        return picture
    return np.asarray(_reduced(Image.fromarray(picture)), np.uint8)

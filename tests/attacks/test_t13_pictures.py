"""T13: pictures that would fill the memory are refused by what they declare; odd and honest ones are read upright."""

import io
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.attacks.uploads import send
from tests.ingest.files import archive, declared_png, deep_png, encoded, png, scene
from tests.service import accepted
from tests.web.predictions import answers, npy_of

Json = dict[str, Any]
MEGABYTE = 1 << 20
PATH = "/api/v1/models/pictures/predict"
pytestmark = pytest.mark.usefixtures("pictures_run")
SCENE = scene(64, 64)


def frames(form: str) -> bytes:
    pictures = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 100, 200)]
    return encoded(pictures[0], form, save_all=True, append_images=pictures[1:])


def plain(form: str = "PNG") -> bytes:
    return encoded(Image.fromarray(SCENE), form)


BOMBS: dict[str, Callable[[], bytes]] = {
    "20000 x 20000": lambda: declared_png(20_000, 20_000),
    "9000 x 9000": lambda: declared_png(9_000, 9_000),
    "2^31 x 1": lambda: declared_png(2**31 - 1, 1),
    "2^31 x 2^31": lambda: declared_png(2**31 - 1, 2**31 - 1),
    "no width": lambda: declared_png(0, 10),
    "16-bit, 8000 x 8000": lambda: declared_png(8_000, 8_000, depth=16, color=6),
    "JPEG of 65000 x 65000": lambda: plain("JPEG").replace(b"\x00\x40\x00\x40", b"\xfd\xe8\xfd\xe8", 1),
    "cut PNG": lambda: plain()[:-400],
    "cut JPEG": lambda: plain("JPEG")[:300],
    "head alone": lambda: b"\x89PNG\r\n\x1a\n",
    "noise": lambda: b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).bytes(5000),
    "JPEG noise": lambda: b"\xff\xd8\xff" + np.random.default_rng(1).bytes(5000),
    "GIF": lambda: frames("GIF"),
    "TIFF": lambda: frames("TIFF"),
    "animated PNG": lambda: frames("PNG"),
    "WebP": lambda: plain("WEBP"),
    "BMP": lambda: plain("BMP"),
    "PDF": lambda: plain("PDF"),
    "EPS": lambda: plain("EPS"),
    "FITS": lambda: b"SIMPLE  =                    T".ljust(2880),
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"/>',
    "ICO": lambda: plain("ICO"),
    "text": lambda: b"hello",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_at_a_bounded_cost(api: httpx.Client, memory: Memory, kind: str) -> None:
    content = BOMBS[kind]()
    begin = time.monotonic()
    for media_type in ("image/png", "image/jpeg"):
        expect_problem(api.post(PATH, content=content, headers={"Content-Type": media_type}), (413, 422))
    expect_problem(api.post(PATH, files=[("file", ("x.png", png())), ("file", ("y.png", content))]), (413, 422))
    pictures = {"a/0.png": png(), "a/1.png": png(shade=3), "b/0.png": png(shade=9), "b/bomb.png": content}
    document = expect_problem(send(api, archive(pictures), "x.zip"), (413, 422))
    assert "bomb.png" in document["detail"] + str(document["errors"])
    assert time.monotonic() - begin < 20
    assert memory.grown() < 80 * MEGABYTE


def rotated(orientation: int) -> bytes:
    """The scene as it lies in a camera that was held another way, with the EXIF that says so."""
    back = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }
    image: Image.Image = back[orientation](Image.fromarray(SCENE))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "PNG", exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_turned_by_its_exif_predicts_as_the_upright_one(api: httpx.Client, orientation: int) -> None:
    upright = answers(api, plain(), "image/png", "pictures")
    assert answers(api, rotated(orientation), "image/png", "pictures") == upright
    assert answers(api, npy_of(SCENE[None]), "application/x-npy", "pictures") == upright


def test_a_jpeg_turned_by_its_exif_predicts_as_its_own_pixels_turned(api: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.fromarray(SCENE), "JPEG", exif=exif, quality=90)
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.array(image.transpose(Image.Transpose.ROTATE_270), np.uint8)
    found = answers(api, content, "image/jpeg", "pictures")
    assert found == answers(api, npy_of(pixels[None]), "application/x-npy", "pictures")


def palette() -> tuple[bytes, NDArray[np.uint8]]:
    image = Image.fromarray(SCENE).quantize(200)
    return encoded(image), np.array(image.convert("RGB"), np.uint8)


def gray() -> tuple[bytes, NDArray[np.uint8]]:
    image = Image.fromarray(SCENE).convert("L")
    return encoded(image), np.array(image.convert("RGB"), np.uint8)


def bilevel() -> tuple[bytes, NDArray[np.uint8]]:
    image = Image.fromarray(SCENE).convert("1")
    return encoded(image), np.array(image.convert("RGB"), np.uint8)


def deep_gray() -> tuple[bytes, NDArray[np.uint8]]:
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    return deep_png(values), np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def deep_rgb() -> tuple[bytes, NDArray[np.uint8]]:
    return deep_png(SCENE.astype(np.uint16) * 257), SCENE


def alpha() -> tuple[bytes, NDArray[np.uint8]]:
    opacity = np.zeros((64, 64, 1), np.uint8)
    opacity[:, 32:] = 255
    seen = SCENE.copy()
    seen[:, :32] = 255
    return encoded(Image.fromarray(np.concatenate([SCENE, opacity], axis=2))), seen


def cmyk() -> tuple[bytes, NDArray[np.uint8]]:
    content = encoded(Image.fromarray(SCENE).convert("CMYK"), "JPEG", quality=95)
    with Image.open(io.BytesIO(content)) as image:
        return content, np.array(image.convert("RGB"), np.uint8)


HONEST = {"palette": palette, "gray": gray, "bilevel": bilevel, "16-bit gray": deep_gray, "16-bit RGB": deep_rgb}
HONEST |= {"alpha on white": alpha, "CMYK": cmyk}


@pytest.mark.parametrize("kind", HONEST)
def test_an_odd_picture_predicts_as_its_8_bit_rgb_pixels(api: httpx.Client, kind: str) -> None:
    content, pixels = HONEST[kind]()
    media_type = "image/jpeg" if kind == "CMYK" else "image/png"
    found = answers(api, content, media_type, "pictures")
    assert found == answers(api, npy_of(pixels[None]), "application/x-npy", "pictures")


def test_odd_pictures_make_a_dataset_like_any_other(api: httpx.Client) -> None:
    files = {f"a/{kind}.{'jpg' if kind == 'CMYK' else 'png'}": make()[0] for kind, make in HONEST.items()}
    files |= {f"b/{orientation}.png": rotated(orientation) for orientation in (2, 3, 6)}
    made = accepted(send(api, archive(files), "odd.zip"))
    assert made["target"]["classes"] == [{"label": "a", "count": 7}, {"label": "b", "count": 3}]
    assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204

"""Pictures of every honest kind become upright 8-bit RGB; the others are refused before they cost anything."""

import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from app.domain.data.pictures import resized
from app.errors import InvalidDataset
from app.ingest.pictures import decode, reduced
from tests.ingest.files import declared_png, deep_png, encoded, png, scene

SCENE = scene()
IMAGE = Image.fromarray(SCENE)


def close(left: NDArray[np.uint8], right: NDArray[np.uint8], within: float) -> bool:
    """Whether two pictures agree, `within` levels on average."""
    return left.shape == right.shape and float(np.abs(left.astype(int) - right.astype(int)).mean()) <= within


def test_rgb_is_kept_to_the_bit() -> None:
    np.testing.assert_array_equal(decode(encoded(IMAGE)), SCENE)


def test_jpeg_is_kept_nearly() -> None:
    assert close(decode(encoded(IMAGE, "JPEG", quality=95)), SCENE, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    image = IMAGE.convert(mode)
    np.testing.assert_array_equal(decode(encoded(image)), np.array(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_every_mode_of_jpeg_becomes_rgb(mode: str) -> None:
    assert close(
        decode(encoded(IMAGE.convert(mode), "JPEG", quality=95)), np.array(IMAGE.convert(mode).convert("RGB")), 4
    )


def test_16_bit_samples_keep_their_upper_8() -> None:
    levels = np.array([[0, 255, 256, 32_768, 65_280, 65_535]], np.uint16)
    wanted = np.repeat((levels >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(decode(deep_png(levels)), wanted)
    np.testing.assert_array_equal(decode(deep_png(np.repeat(levels[..., np.newaxis], 3, axis=2))), wanted)


def test_16_bit_alpha_is_taken_too() -> None:
    samples = np.full((4, 4, 4), 65_535, np.uint16)
    samples[..., :3] = 25_700
    np.testing.assert_array_equal(decode(deep_png(samples)), np.full((4, 4, 3), 100, np.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 4))
    if mode == "P":
        image = Image.new("P", (4, 4), 1)
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.paste(0, (0, 0, 2, 4))
        data = encoded(image, transparency=1)
    else:
        data = encoded(image.convert(mode))
    picture = decode(data)
    assert (picture[:, :2] == 0).all()
    assert (picture[:, 2:] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_exif_turns_a_picture_upright(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    held = IMAGE if undo is None else IMAGE.transpose(undo)
    assert close(decode(encoded(held, form, exif=exif.tobytes())), SCENE, 3)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_exif_is_as_none(exif: bytes) -> None:
    for form in ("PNG", "JPEG"):
        assert close(decode(encoded(IMAGE, form, exif=b"Exif\0\0" + exif, quality=95)), SCENE, 3)


def test_an_orientation_that_is_none_is_as_none() -> None:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 99, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"
    assert decode(encoded(IMAGE, "JPEG", exif=exif)).shape == SCENE.shape


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("size", "stored"), [((2048, 1024), (256, 512)), ((600, 700), (512, 439)), ((4000, 2), (1, 512))]
)
def test_large_pictures_are_reduced(form: str, size: tuple[int, int], stored: tuple[int, int]) -> None:
    picture = decode(encoded(Image.fromarray(scene(size[1], size[0])), form))
    assert picture.shape == (*stored, 3)
    assert close(picture, scene(*stored), 3)


def test_decoding_gives_the_same_bits_every_time() -> None:
    data = encoded(Image.fromarray(scene(1500, 2200)), "JPEG")
    np.testing.assert_array_equal(decode(data), decode(data))


@pytest.mark.parametrize(
    ("width", "height"), [(20_000, 20_000), (9_000, 9_000), (2**31 - 1, 2**31 - 1), (36_000_001, 1)]
)
def test_a_picture_that_declares_too_much_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidDataset, match="declares") as caught:
        decode(declared_png(width, height))
    assert caught.value.code == "picture_invalid"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_jpeg_that_declares_too_much_is_refused() -> None:
    data = bytearray(encoded(IMAGE, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(InvalidDataset, match="declares 60,000 x 60,000"):
        decode(bytes(data))


@pytest.mark.parametrize("form", ["GIF", "TIFF", "BMP", "WEBP", "PDF", "EPS", "ICO", "PPM"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(InvalidDataset, match="neither PNG nor JPEG"):
        decode(encoded(IMAGE, form))


@pytest.mark.parametrize("data", [b"", b"SIMPLE  =                    T", b"%!PS-Adobe", b"\x89PNG", b"not a picture"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDataset, match="neither PNG nor JPEG"):
        decode(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_pictures_are_refused(form: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    data = encoded(Image.fromarray(noise), form)
    with pytest.raises(InvalidDataset, match="damaged"):
        decode(data[: int(len(data) * share)])


def test_animated_pictures_are_refused() -> None:
    data = encoded(IMAGE, save_all=True, append_images=[IMAGE.transpose(Image.Transpose.ROTATE_180)])
    with pytest.raises(InvalidDataset, match="animated"):
        decode(data)


def test_an_animation_cannot_hide_behind_a_text() -> None:
    smooth = encoded(IMAGE)
    text = b"k\0IDAT"
    header, hidden = (
        8 + 25,
        struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text)),
    )
    chunk = b"acTL" + struct.pack(">II", 2, 0)
    animation = struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk))
    np.testing.assert_array_equal(decode(smooth[:header] + hidden + smooth[header:]), SCENE)
    with pytest.raises(InvalidDataset, match="animated"):
        decode(smooth[:header] + hidden + animation + smooth[header:])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_anywhere_is_refused_or_survived(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from([encoded(IMAGE), encoded(IMAGE, "JPEG"), encoded(IMAGE.convert("P"))])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(whole))
    except InvalidDataset as error:
        assert error.code == "picture_invalid"  # noqa: PT017 - either way is right
        return
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_resizing_to_the_same_size_changes_nothing() -> None:
    np.testing.assert_array_equal(resized(SCENE, 40, 60), SCENE)


def test_resizing_averages_where_it_gets_smaller() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resized(stripes, 2, 2).astype(int) - 100).max() <= 10


@given(st.integers(1, 50), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_resizing_keeps_a_plain_picture_plain(height: int, width: int) -> None:
    plain = np.full((17, 9, 3), 77, np.uint8)
    np.testing.assert_array_equal(resized(plain, height, width), np.full((height, width, 3), 77, np.uint8))


def test_small_pictures_are_not_reduced() -> None:
    assert reduced(SCENE) is SCENE
    assert reduced(scene(1024, 256)).shape == (512, 128, 3)


def test_a_plain_png_is_read() -> None:
    assert decode(png(3, 5, 9)).tolist() == [[[9, 9, 9]] * 5] * 3

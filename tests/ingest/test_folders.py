"""Zip archives of pictures, one folder for each class, and archives that lie."""

import io
import resource
import struct
import time
import zipfile

import numpy as np
import pytest

from app.domain.data.schema import ColumnRequest, ColumnType, Kind
from app.errors import InvalidDataset, TooLarge
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker
from tests.ingest.files import archive, declared_png, encoded, png, scene

NAME = "pictures.zip"
FILES = {"cat/1.png": png(8, 9, 10), "cat/2.PNG": png(8, 8, 20), "dog/1.png": png(5, 4, 30)}


def entries(data: bytes) -> list[int]:
    """Where each entry of the directory starts in the archive."""
    found, at = [], data.find(b"PK\x01\x02")
    while at >= 0:
        found.append(at)
        at = data.find(b"PK\x01\x02", at + 1)
    return found


def test_folders_are_classes(take: Taker) -> None:
    taken = take(archive(FILES), NAME)
    assert taken.schema.kind is Kind.PICTURES
    assert [(column.name, column.type) for column in taken.schema.features] == [("picture", ColumnType.PICTURE)]
    assert taken.schema.classes == ("cat", "dog")
    assert taken.schema.target.counts == (2, 1)
    assert taken.columns.shapes.tolist() == [[8, 9], [8, 8], [5, 4]]
    offsets = taken.columns.picture_offsets()
    assert [int(taken.columns.picture(row, offsets).max()) for row in range(3)] == [10, 20, 30]
    assert taken.values("class") == ["cat", "cat", "dog"]


def test_many_pictures_keep_their_order(take: Taker) -> None:
    files = {f"{'ab'[place % 2]}/{place}.png": png(4, 4, place) for place in range(100)}
    taken = take(archive(files, zipfile.ZIP_DEFLATED), NAME)
    pixels = taken.columns.pixels.reshape(100, 4, 4, 3)
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], np.arange(100))
    assert taken.values("class") == ["ab"[place % 2] for place in range(100)]


def test_one_folder_around_and_what_systems_leave_behind_are_passed_over(take: Taker) -> None:
    files = {f"all/{name}": data for name, data in FILES.items()}
    files |= {
        "__MACOSX/all/cat/._1.png": b"x",
        "all/.DS_Store": b"x",
        "all/cat/Thumbs.db": b"x",
        ".hidden/x.exe": b"x",
        "all/empty/": b"",
    }
    assert take(archive(files), NAME).schema.target.counts == (2, 1)


@pytest.mark.parametrize(
    "name", ["cat/readme.txt", "cat/inner.zip", "cat/deep/3.png", "3.png", "all/cat/3.png", "cat/run.exe", "cat/png"]
)
def test_files_that_have_no_place_are_refused_by_name(refused: Refused, name: str) -> None:
    assert f"'{name}'" in refused(archive({**FILES, name: png()}), NAME).detail


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "cat/../../evil.png",
        "/etc/evil.png",
        "C:/evil.png",
        "cat\\evil.png",
        "cat/a\nb.png",
        "cat/\u202ea.png",
    ],
)
def test_names_that_lead_elsewhere_are_refused(refused: Refused, name: str) -> None:
    assert "is refused" in refused(archive({**FILES, name: png()}), NAME).detail


def test_symbolic_links_are_refused(refused: Refused) -> None:
    buffer = io.BytesIO(archive(FILES))
    link = zipfile.ZipInfo("dog/2.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(buffer, "a") as packed:
        packed.writestr(link, "/etc/passwd")
    assert "link" in refused(buffer.getvalue(), NAME).detail


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(refused: Refused) -> None:
    buffer = io.BytesIO(archive(FILES))
    with zipfile.ZipFile(buffer, "a") as packed:
        packed.writestr("cat/1.png", png())
    assert "two entries" in refused(buffer.getvalue(), NAME).detail


def test_encrypted_entries_are_refused(refused: Refused) -> None:
    data = bytearray(archive(FILES))
    data[entries(bytes(data))[1] + 8] |= 1
    assert "encrypted" in refused(bytes(data), NAME).detail


def test_other_compressions_are_refused(refused: Refused) -> None:
    assert "stored and deflated" in refused(archive(FILES, zipfile.ZIP_LZMA), NAME).detail


@pytest.mark.parametrize("declared", [1, 10, 100_000])
def test_an_entry_that_lies_about_its_size_is_refused(refused: Refused, declared: int) -> None:
    data = bytearray(archive(FILES, zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", data, entries(bytes(data))[0] + 24, declared)
    assert "cat/1.png" in refused(bytes(data), NAME).detail


def test_an_entry_that_unpacks_to_too_much_is_refused(refused: Refused) -> None:
    files = {**FILES, "cat/3.png": b"\0" * 40_000_000}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refused(archive(files, zipfile.ZIP_DEFLATED), NAME)
    assert isinstance(error, TooLarge)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_an_archive_that_unpacks_to_too_much_is_refused(refused: Refused) -> None:
    files = {**FILES, **{f"cat/x{place}.png": b"\0" * 10_000_000 for place in range(8)}}
    assert isinstance(refused(archive(files, zipfile.ZIP_DEFLATED), NAME), TooLarge)


def test_overlapping_entries_are_refused(refused: Refused) -> None:
    data = archive({"cat/10.png": encoded_noise(), "dog/1.png": png()})
    start = entries(data)[0]
    size = entries(data)[1] - start
    count = 50
    assert size == 46 + 10
    copies = b"".join(data[start : start + 46] + f"cat/{place}.png".encode() for place in range(10, 10 + count))
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(copies), start, 0)
    assert "overlap" in refused(data[:start] + copies + end, NAME).detail


def encoded_noise() -> bytes:
    """A picture of some kilobytes."""
    from PIL import Image

    return encoded(Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 60, 3)).astype(np.uint8)))


def test_a_million_entries_are_refused_at_once(refused: Refused) -> None:
    entry = archive({"cat/1.png": b""})
    start = entries(entry)[0]
    directory = entry[start : start + 46 + 9] * 1_000_000
    for count in (1_000_000, 3):
        wide = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), start)
        locator = struct.pack("<IIQI", 0x07064B50, 0, start + len(directory), 1)
        end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        started = time.perf_counter()
        error = refused(entry[:start] + directory + wide + locator + end, NAME)
        assert isinstance(error, TooLarge)
        assert time.perf_counter() - started < 2


def test_an_entry_outside_of_the_archive_is_refused(refused: Refused) -> None:
    data = bytearray(archive(FILES))
    struct.pack_into("<I", data, entries(bytes(data))[0] + 42, 2**31)
    assert "outside" in refused(bytes(data), NAME).detail


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.99])
def test_truncated_archives_are_refused(refused: Refused, cut: float) -> None:
    data = archive(FILES)
    assert isinstance(refused(data[: int(len(data) * cut)], NAME), InvalidDataset)


def test_damaged_bytes_are_refused(refused: Refused) -> None:
    data = bytearray(archive(FILES))
    data[60] ^= 0xFF
    assert "cat/1.png" in refused(bytes(data), NAME).detail


@pytest.mark.parametrize("broken", [b"GIF89a", png()[:-30], declared_png(20_000, 20_000), b""])
def test_a_broken_picture_is_named(refused: Refused, broken: bytes) -> None:
    error = refused(archive({**FILES, "dog/9.png": broken}), NAME)
    assert error.code == "picture_invalid"
    assert error.detail.startswith("'dog/9.png': The picture cannot be used")
    assert (error.errors[0].pointer, error.errors[0].received) == ("/rows/4/picture", "dog/9.png")


@pytest.mark.parametrize("files", [{}, {"cat/1.png": png()}, {"cat/1.png": png(), "cat/2.png": png()}])
def test_an_archive_from_which_nothing_can_be_learned_is_refused(refused: Refused, files: dict[str, bytes]) -> None:
    assert isinstance(refused(archive(files), NAME), InvalidDataset)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"target": "label"}, "/target"),
        ({"task": "regression"}, "/task"),
        ({"columns": {"size": ColumnRequest(role="ignore")}}, "/columns/size"),
        ({"columns": {"picture": ColumnRequest(role="ignore")}}, "/columns/picture"),
    ],
)
def test_requests_that_pictures_cannot_meet_are_refused(
    refused: Refused, asked: dict[str, object], pointer: str
) -> None:
    assert refused(archive(FILES), NAME, **asked).errors[0].pointer == pointer


def test_large_pictures_are_stored_reduced(take: Taker) -> None:
    from PIL import Image

    big = encoded(Image.fromarray(scene(1024, 768)), "JPEG")
    taken = take(archive({"cat/1.jpg": big, "dog/1.jpeg": big}), NAME)
    assert taken.columns.shapes.tolist() == [[512, 384]] * 2


def test_too_many_classes_and_entries_are_refused(refused: Refused) -> None:
    files = {f"c{place}/1.png": png() for place in range(12)}
    assert "classes" in refused(archive(files), NAME, limits=Limits(classes=10)).detail
    assert isinstance(refused(archive(files), NAME, limits=Limits(archive_entries=10)), TooLarge)

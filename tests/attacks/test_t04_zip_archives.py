"""T04: zip archives that climb, swell, lie or repeat themselves. Refused at a bounded cost."""

import io
import stat
import struct
import time
import zipfile

import httpx
import pytest

from tests.answers import expect_problem
from tests.attacks.conftest import Memory
from tests.attacks.uploads import send
from tests.ingest.files import png

MEGABYTE = 1 << 20


def archive(entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return buffer.getvalue()


def honest() -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [(f"{label}/{index}.png", png(shade=40 * index)) for label in ("a", "b") for index in range(3)]


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target.encode()


@pytest.mark.parametrize(
    "name",
    [
        "../a/evil.png",
        "a/../../evil.png",
        "/etc/evil.png",
        "a/..\\..\\evil.png",
        "C:/evil.png",
        "//host/a/evil.png",
        "\\evil.png",
    ],
)
def test_an_entry_that_climbs_out_is_refused(api: httpx.Client, name: str) -> None:
    expect_problem(send(api, archive([*honest(), (name, png())]), "x.zip"), 422)


def test_an_entry_with_a_nul_in_its_name_is_refused_or_harmless(api: httpx.Client) -> None:
    content = archive([*honest(), ("a/evil_.png", png())]).replace(b"evil_", b"evil\0")
    answer = send(api, content, "x.zip")
    if answer.status_code == 201:
        assert api.delete(answer.headers["location"]).status_code == 204
    else:
        expect_problem(answer, 422)


def test_a_symbolic_link_is_refused(api: httpx.Client) -> None:
    expect_problem(send(api, archive([*honest(), link("a/link.png", "/etc/passwd")]), "x.zip"), 422)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_stands_twice_is_refused(api: httpx.Client) -> None:
    expect_problem(send(api, archive([*honest(), ("a/0.png", png(shade=7))]), "x.zip"), 422)


def test_an_archive_that_swells_is_refused_before_it_has_swollen(api: httpx.Client, memory: Memory) -> None:
    begin = time.monotonic()
    expect_problem(send(api, archive([*honest(), ("a/zeros.png", bytes(200 * MEGABYTE))]), "x.zip"), (413, 422))
    many = archive([*honest(), *((f"a/zeros{index}.png", bytes(8 * MEGABYTE)) for index in range(20))])
    expect_problem(send(api, many, "x.zip"), (413, 422))
    assert time.monotonic() - begin < 20
    assert memory.grown() < 50 * MEGABYTE


def test_an_archive_within_an_archive_is_no_picture(api: httpx.Client) -> None:
    inner = archive(honest())
    expect_problem(send(api, archive([*honest(), ("a/inner.png", inner)]), "x.zip"), 422)
    expect_problem(send(api, archive([("a/inner.zip", inner), ("b/inner.zip", inner)]), "x.zip"), 422)


def test_more_entries_than_an_archive_may_have_are_refused_fast(api: httpx.Client, memory: Memory) -> None:
    # The same local entry, named a million times by a central directory that is written by hand.
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, 0, 0, 0, 5, 0) + b"a/0.p"
    entry = (
        b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0) + b"a/0.p"
    )
    directory = entry * 1_000_000
    place = len(local) + len(directory)
    zip64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 10**6, 10**6, len(directory), len(local))
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, place, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    begin = time.monotonic()
    expect_problem(send(api, local + directory + zip64 + locator + end, "x.zip"), (413, 422))
    assert time.monotonic() - begin < 20
    assert memory.grown() < 50 * MEGABYTE


def test_an_entry_that_lies_about_its_size_is_refused(api: httpx.Client) -> None:
    content = archive([*honest(), ("b/liar.png", bytes(5 * MEGABYTE) + png())])
    size = struct.pack("<I", 5 * MEGABYTE + len(png()))
    expect_problem(send(api, content.replace(size, struct.pack("<I", 100)), "x.zip"), (413, 422))


@pytest.mark.parametrize("cut", [1, 10, 22, 100, 300])
def test_an_archive_that_is_cut_short_is_refused(api: httpx.Client, cut: int) -> None:
    content = archive(honest())
    expect_problem(send(api, content[: len(content) - cut], "x.zip"), 422)


def test_an_archive_with_a_wrong_checksum_is_refused(api: httpx.Client) -> None:
    content = bytearray(archive(honest(), zipfile.ZIP_STORED))
    content[len("a/0.png") + 30 + 60] ^= 0xFF
    expect_problem(send(api, bytes(content), "x.zip"), 422)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_archive_is_refused(api: httpx.Client, content: bytes) -> None:
    expect_problem(send(api, content, "x.zip"), 422)


def test_an_encrypted_entry_is_refused(api: httpx.Client) -> None:
    content = bytearray(archive(honest(), zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    expect_problem(send(api, bytes(content), "x.zip"), 422)

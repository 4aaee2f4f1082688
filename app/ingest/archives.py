"""Zip archives of strangers: everything that a directory of entries can lie about is checked before use."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.errors import InvalidDataset, TooLarge, shown
from app.ingest.limits import Limits

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_ENTRY = b"PK\x01\x02"
_DIRECTORY_BYTES = 64 << 20
_RATIO_FROM = 64 << 20
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, ValueError, EOFError, NotImplementedError)


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose directory has been checked. Raises InvalidDataset and TooLarge."""
    with path.open("rb") as file:
        _check_directory(file, path.stat().st_size, limits)
        try:
            archive = zipfile.ZipFile(file)
        except _DAMAGE:
            raise InvalidDataset("The zip archive is damaged.") from None
        with archive:
            _check_entries(archive.infolist(), path.stat().st_size, limits)
            yield archive


def _check_directory(file: BinaryIO, size: int, limits: Limits) -> None:
    """Bound the number of entries and the directory's size before they are parsed."""
    file.seek(max(0, size - 66_000))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise InvalidDataset("The zip archive has no directory: it is truncated or no zip archive.")
    entries, length, start = struct.unpack_from("<HII", tail, at + 10)
    if entries == 0xFFFF or 0xFFFFFFFF in (length, start):
        wide = tail.rfind(_END_64, 0, at)
        if wide < 0 or len(tail) < wide + 56:
            raise InvalidDataset("The zip archive is damaged.")
        entries, length = struct.unpack_from("<QQ", tail, wide + 32)
    too_many = f"The zip archive has more than {limits.archive_entries:,} entries."
    if entries > limits.archive_entries:
        raise TooLarge(too_many)
    if length > min(size, _DIRECTORY_BYTES):
        raise InvalidDataset("The zip archive's directory is damaged or too large.")
    # The directory lies right before its end; its entries are counted, whatever their declared number.
    file.seek(max(0, size - len(tail) + at - length - 100))
    if file.read(length + 100).count(_ENTRY) > limits.archive_entries:
        raise TooLarge(too_many)
    file.seek(0)


def _check_entries(entries: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    names: set[str] = set()
    for entry in entries:
        _check_name(entry)
        if not 0 <= entry.header_offset < size:
            raise _refused(entry, "it lies outside of the archive")
        if entry.filename in names:
            raise _refused(entry, "two entries have this name")
        names.add(entry.filename)
        if entry.flag_bits & _ENCRYPTED:
            raise _refused(entry, "it is encrypted")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(entry, "it is a link or a device, not a file")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(entry, "only stored and deflated entries are read")
    total = sum(entry.file_size for entry in entries)
    if sum(entry.compress_size for entry in entries) > size:
        raise InvalidDataset("The zip archive's entries overlap.")
    if total > limits.inflated_bytes or (total > _RATIO_FROM and total > size * limits.inflation_ratio):
        raise TooLarge(f"The zip archive unpacks to {total:,} bytes, which is more than is allowed.")


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if "\\" in name or "\0" in name or not name.isprintable():
        raise _refused(entry, "its name has a backslash or a control character")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        raise _refused(entry, "its name leads out of the archive")


def _refused(entry: zipfile.ZipInfo, why: str) -> InvalidDataset:
    return InvalidDataset(f"The zip archive's entry '{shown(entry.orig_filename)}' is refused: {why}.")


def contents(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of one entry, as many as it declares and `limit` at most. Raises InvalidDataset and TooLarge."""
    if entry.file_size > limit:
        raise TooLarge(f"The zip archive's entry '{shown(entry.filename)}' is larger than {limit:,} bytes.")
    with member(archive, entry) as file:
        data = exactly(file, entry.file_size + 1, entry)
    if len(data) != entry.file_size:
        raise _refused(entry, "its size is not what it declares")
    return data


@contextmanager
def member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[zipfile.ZipExtFile]:
    """Open one entry for reading. Raises InvalidDataset where it is damaged."""
    try:
        file = archive.open(entry)
    except (*_DAMAGE, RuntimeError):
        raise _refused(entry, "it is damaged") from None
    with file:
        # mypy knows the result as IO[bytes] only.
        assert isinstance(file, zipfile.ZipExtFile)
        yield file


def exactly(file: zipfile.ZipExtFile, size: int, entry: zipfile.ZipInfo) -> bytes:
    """`size` bytes of an opened entry, fewer only at its end. Raises InvalidDataset where it is damaged."""
    try:
        return file.read(size)
    except (*_DAMAGE, zlib.error) as error:
        raise _refused(entry, "it is damaged") from error

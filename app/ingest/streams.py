"""A text file as a stream of UTF-8 bytes, whatever it is packed and written in."""

import codecs
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from app.errors import InvalidDataset, TooLarge
from app.ingest.limits import Limits

Read = Callable[[int], bytes]
"""Gives that many bytes, fewer only at the end."""

_CHUNK = 1 << 18
_RATIO_FROM = 64 << 20
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def opened(file: BinaryIO, zipped: bool, size: int, limits: Limits) -> Read:
    """Read `file` (of `size` bytes) as UTF-8 without a byte order mark. Raises InvalidDataset and TooLarge."""
    read = filled(inflated(file, size, limits)) if zipped else file.read
    start = read(4)
    if start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise InvalidDataset("The text is UTF-32; write it as UTF-8.")
    encoding = _UTF16.get(start[:2])
    if encoding is not None:
        return filled(_transcoded(start[2:], read, encoding))
    return _after(start.removeprefix(codecs.BOM_UTF8), read)


def filled(chunks: Iterator[bytes]) -> Read:
    """Chunks of any size as a reader of exact sizes."""
    kept = bytearray()

    def read(size: int) -> bytes:
        while len(kept) < size and (chunk := next(chunks, b"")):
            kept.extend(chunk)
        taken = bytes(kept[:size])
        del kept[:size]
        return taken

    return read


def _after(start: bytes, read: Read) -> Read:
    """`read` with `start` put back before it."""
    kept = [start] if start else []

    def again(size: int) -> bytes:
        # The first call asks for more than the few bytes that are put back.
        return kept.pop() + read(size - len(start)) if kept else read(size)

    return again


def inflated(file: BinaryIO, size: int, limits: Limits) -> Iterator[bytes]:
    """The contents of a gzip file of one member or several, never more than `limits` allow."""
    total = 0
    packer = zlib.decompressobj(wbits=31)
    pending = file.read(_CHUNK)
    while True:
        try:
            chunk = packer.decompress(pending, _CHUNK)
        except zlib.error:
            raise InvalidDataset("The gzip file is damaged.") from None
        total += len(chunk)
        _check_inflation(total, size, limits)
        if chunk:
            yield chunk
        pending = packer.unused_data if packer.eof else packer.unconsumed_tail
        if packer.eof:
            # Another member may follow; zeros are padding.
            pending = (pending or file.read(_CHUNK)).lstrip(b"\0")
            if not pending:
                return
            packer = zlib.decompressobj(wbits=31)
        elif not pending and not chunk:
            pending = file.read(_CHUNK)
            if not pending:
                raise InvalidDataset("The gzip file ends in the middle: it is truncated.")


def _check_inflation(total: int, size: int, limits: Limits) -> None:
    if total > limits.inflated_bytes:
        raise TooLarge(f"The file unpacks to more than {limits.inflated_bytes >> 20:,} MB.")
    if total > _RATIO_FROM and total > size * limits.inflation_ratio:
        raise TooLarge(f"The file unpacks to more than {limits.inflation_ratio} times its size.")


def _transcoded(start: bytes, read: Read, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    chunk, at = start, 2
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
            yield text.encode()
        except UnicodeError:
            raise InvalidDataset(f"The text is not valid {encoding.upper()} near byte {at:,}.") from None
        if not chunk:
            return
        at += len(chunk)
        chunk = read(_CHUNK)

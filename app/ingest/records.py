"""Cutting CSV text into blocks that end where a record ends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.errors import InvalidDataset, TooLarge
from app.ingest.limits import Limits
from app.ingest.streams import Read

_QUOTED = rb'(?:\A|[\r\n]|%b)"(?:[^"]|"")*+("|\Z)'
_HEADER = rb'(?:"(?:[^"]|"")*+"|(?!"))[^%b\r\n]*+'


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records. `broken`: why what follows the last whole record cannot be one (`data` is then that rest)."""

    data: bytes
    broken: str = ""


def blocks(read: Read, separator: bytes, ending: bytes, size: int, start: bytes = b"") -> Iterator[Block]:
    """Cut what `read` gives, after `start`, into blocks of up to about `size` bytes that end at a record's end.

    A record of more than `size` bytes, or a quote that is never closed, ends in a broken block.
    """
    kept = start
    while True:
        fresh = read(size)
        data = kept + fresh
        if not data:
            return
        last = len(fresh) < size
        cut, is_open = record_end(data, separator, ending)
        if last:
            if is_open:
                yield from (Block(part, why) for part, why in ((data[:cut], ""), (data[cut:], "open quote")) if part)
            else:
                yield Block(data)
            return
        if cut == 0 and len(data) >= size:
            yield Block(data, "open quote" if is_open else "long record")
            return
        if cut:
            yield Block(data[:cut])
        kept = data[cut:]


def header_end(start: bytes, separator: bytes, limits: Limits) -> tuple[int, bytes]:
    """Where the first record of `start` ends, and what ends lines: a line feed, or a carriage return alone.

    Raises InvalidDataset where it does not end, TooLarge where that is because of its many columns.
    """
    cell = _HEADER % re.escape(separator)
    found = re.match(b"%b(?:%b%b)*+(\r\n?|\n)" % (cell, re.escape(separator), cell), start)
    if found is None and start.count(separator) > limits.columns:
        raise TooLarge(f"The header has more than {limits.columns:,} columns.")
    if found is None:
        raise InvalidDataset("The file has a header and no rows, or its header never ends or has an open quote.")
    return found.end(), b"\r" if found.group(1) == b"\r" else b"\n"


def record_end(data: bytes, separator: bytes, ending: bytes) -> tuple[int, bool]:
    """Where the last whole record of `data` ends (0: nowhere), and whether a quoted field is open at the end.

    A quote opens a field only at its start; elsewhere it is a character like others, as in `5" pipe`.
    """
    if b'"' not in data:
        return data.rfind(ending) + 1, False
    found = _end_by_parity(data, separator, ending)
    return _end_by_scan(data, separator, ending) if found is None else found


def _end_by_parity(data: bytes, separator: bytes, ending: bytes) -> tuple[int, bool] | None:
    """The same by counting quotes; None where one stands so that counting would err."""
    characters = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(characters == ord('"'))
    opening = quotes[::2]
    before = characters[opening[opening > 0] - 1]
    # An "opening" quote right after another is the second half of a doubled one.
    starts = np.isin(before, np.frombuffer(separator + b'\r\n"', np.uint8))
    if not starts.all():
        return None
    is_open = len(quotes) % 2 == 1
    limit = len(data)
    inside = len(quotes) - 1 if is_open else len(quotes)
    if is_open:
        limit = int(quotes[-1])
    while True:
        # Newlines between quote `inside - 1` (closing) and `limit` are outside of quotes.
        closing = int(quotes[inside - 1]) if inside else -1
        end = data.rfind(ending, closing + 1, limit)
        if end >= 0 or inside == 0:
            return end + 1, is_open
        limit = int(quotes[inside - 2])
        inside -= 2


def _end_by_scan(data: bytes, separator: bytes, ending: bytes) -> tuple[int, bool]:
    pattern = re.compile(_QUOTED % re.escape(separator))
    end, at, is_open = 0, 0, False
    for quoted in pattern.finditer(data):
        # The line end that a quoted field follows lies before its first character.
        end = max(end, data.rfind(ending, at, quoted.start() + 1) + 1)
        at = quoted.end()
        is_open = not quoted.group(1)
    if not is_open:
        end = max(end, data.rfind(ending, at) + 1)
    return end, is_open

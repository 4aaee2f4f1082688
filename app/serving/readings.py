"""What was read of the database and is kept in memory: bounded, and never older than what it replaces."""

import itertools
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Readings(Generic[Key, Value]):
    """Thread-safe. At most `most` values; the one kept longest makes room.

    Whoever reads says `begin()` before and `keep()` after. Where two reads of one key cross, the one begun later stays;
    what was read before a `drop` is not kept behind it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Key, tuple[int, Value]] = {}
        self._begun = itertools.count(1)
        self._dropped = 0
        self._lock = threading.Lock()

    def begin(self) -> int:
        """The number of a read that is about to begin."""
        return next(self._begun)

    def get(self, key: Key) -> Value | None:
        found = self._kept.get(key)
        return None if found is None else found[1]

    def known(self) -> list[Key]:
        with self._lock:
            return list(self._kept)

    def keep(self, key: Key, value: Value, begun: int) -> None:
        """Keeps what the read number `begun` found, unless something newer is known."""
        with self._lock:
            held = self._kept.get(key)
            if begun < (self._dropped if held is None else held[0]):
                return
            if held is None and len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (begun, value)

    def drop(self, key: Key) -> None:
        with self._lock:
            self._dropped = next(self._begun)
            self._kept.pop(key, None)

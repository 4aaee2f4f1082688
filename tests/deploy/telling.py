"""What a long test says as it goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STARTED = time.monotonic()


@dataclass(slots=True)
class Step:
    """How long a step took, once it is over."""

    seconds: float = 0.0


def tell(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Says what begins, and how long it took."""
    tell(name)
    begun, taken = time.monotonic(), Step()
    yield taken
    taken.seconds = time.monotonic() - begun
    tell(f"  done in {taken.seconds:.1f} s")

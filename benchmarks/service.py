"""A service of its own for a benchmark: a free port, a folder that is thrown away, and its end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.service import Service


@contextmanager
def running(**settings: str) -> Iterator[Service]:
    """`dropnorm serve` with these `DROPNORM_` variables (in lower case), ready until the block ends."""
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as folder, Service(Path(folder), **settings) as service:
        yield service

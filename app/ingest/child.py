"""Reading an upload in a process of its own, bounded in time, memory and output.

The parsers of strangers' files (Arrow, Pillow) run only there: this module imports neither.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import app
from app.domain.data.schema import DatasetSchema, ReadRequest
from app.errors import InvalidDataset, TooLarge
from app.ingest.formats import format_of
from app.ingest.limits import Limits
from app.ingest.order import Answer, Order

_HOME = Path(app.__file__).resolve().parents[1]
_LOG = logging.getLogger("dropnorm.ingest")
_LOG_BYTES = 4_096


def read_upload(source: Path, filename: str, output: Path, request: ReadRequest, limits: Limits) -> DatasetSchema:
    """Read the file `source`, which its sender calls `filename`, into raw arrays in the empty folder `output`.

    Only the ending of `filename` is used. Blocks until the child process has answered; the child is killed when
    this process ends. The arrays that the dataset has lie in `output` as `numbers.bin`, `codes.bin`, `pixels.bin`,
    `shapes.bin` (see `app.domain.data.schema`); after a failure, what lies there is of no use.

    Raises UnsupportedType (unknown ending), InvalidDataset (what the file holds), TooLarge (a bound on size, memory
    or time) and StorageFull.
    """
    order = Order(
        source=str(source.resolve()),
        # The rest of a name is its sender's business, and may be anything.
        filename=format_of(filename).value,
        output=str(output.resolve()),
        request=request,
        limits=limits,
        parent=os.getpid(),
    )
    with tempfile.TemporaryFile() as log:
        answer = _answer(order, log)
    if answer.failure is not None:
        raise answer.failure.error()
    if answer.dataset is None:
        raise InvalidDataset("The file could not be read.")
    return answer.dataset


def _answer(order: Order, log: IO[bytes]) -> Answer:
    """Start the child, give it its order, and wait for its answer."""
    child = subprocess.Popen(
        [sys.executable, "-m", "app.ingest"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=_HOME,
        # Nothing of our environment, which may hold passwords, is there for a hostile file to find.
        env={"PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "jemalloc"},
    )
    with child:
        try:
            said, _ = child.communicate(order.model_dump_json().encode(), order.limits.seconds)
        except subprocess.TimeoutExpired:
            message = f"The file took longer than {order.limits.seconds:g} seconds to read."
            raise TooLarge(message) from None
        finally:
            child.kill()
    if child.returncode == 0 and said:
        return Answer.model_validate_json(said)
    raise _death(child.returncode, order.limits, log)


def _death(status: int, limits: Limits, log: IO[bytes]) -> InvalidDataset | TooLarge:
    """What to tell the user of a child that ended without an answer; what it said goes to our own log."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
    said = log.read().decode(errors="replace")
    _LOG.error("a reading process ended with status %d and no answer; it said: %s", status, said)
    # Arrow and libstdc++ abort where memory runs out in a thread of theirs; the kernel kills with SIGKILL.
    if status in (-signal.SIGABRT, -signal.SIGKILL):
        return TooLarge(f"Reading the file takes more than {limits.memory_bytes >> 20} MB of memory.")
    return InvalidDataset("The file could not be read: reading it broke off.")

"""Answering a table in a process of its own, bounded in time, memory and output.

The parsers of strangers' files run only there: this module imports none of them. Lives on one event loop.
"""

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import app
from app.bulk.order import Bounds, Order, Progress
from app.errors import DropnormError, InvalidRows, TooLarge

_HOME = Path(app.__file__).resolve().parents[1]
_LOG = logging.getLogger("dropnorm.bulk")
_LOG_BYTES = 4_096
_LINE_BYTES = 1 << 20
_ENVIRONMENT = {
    "PYTHONUTF8": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
}
"""Nothing of our own environment, which may hold passwords, is there for a hostile file to find."""


class Child:
    """One process with its order. Its input is taken as fast as it works, and no faster."""

    def __init__(self, process: asyncio.subprocess.Process, bounds: Bounds, log: IO[bytes]) -> None:
        assert process.stdin is not None, "it was asked for"
        assert process.stdout is not None, "it was asked for"
        self._process, self._bounds, self._log = process, bounds, log
        self._given, self._said = process.stdin, process.stdout

    async def give(self, data: bytes) -> bool:
        """Hands on some input more, and waits where the process is behind. False once it takes no more."""
        try:
            self._given.write(data)
            await self._given.drain()
        except ConnectionError:
            return False
        return True

    async def end_input(self) -> None:
        """There is no more input."""
        try:
            self._given.close()
            await self._given.wait_closed()
        except ConnectionError:
            # It ended before, and says why.
            pass

    async def progress(self) -> Progress:
        """The next that is told. Raises what the order failed with, and how the process died if it did."""
        line = await self._said.readline()
        if not line.endswith(b"\n"):
            raise self._death(await self._process.wait())
        told = Progress.model_validate_json(line)
        if told.failure is not None:
            raise told.failure.error()
        return told

    def _death(self, status: int) -> DropnormError:
        """What to tell the user of a process that ended without a word; what it said goes to our own log."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LOG_BYTES))
        said = self._log.read().decode(errors="replace")
        _LOG.error("an answering process ended with status %d and no answer; it said: %s", status, said)
        if status == -signal.SIGXCPU:
            return TooLarge(f"Answering takes more than {self._bounds.seconds} seconds of computing.")
        # Arrow and libstdc++ abort where memory runs out in a thread of theirs, or its stack has no room left to grow;
        # the kernel kills with SIGKILL.
        if status in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL):
            return TooLarge(f"Answering takes more than {self._bounds.memory_bytes >> 20} MB of memory.")
        return InvalidRows("The table could not be read: reading it broke off.")


@asynccontextmanager
async def started(order: Order, descriptors: Sequence[int]) -> AsyncIterator[Child]:
    """A process that carries out `order`, with these open files of ours; killed when the block ends."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.bulk",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=_HOME,
            env=_ENVIRONMENT,
            pass_fds=descriptors,
            limit=_LINE_BYTES,
        )
        try:
            child = Child(process, order.bounds, log)
            await child.give(order.model_dump_json().encode() + b"\n")
            yield child
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

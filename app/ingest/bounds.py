"""Bounds that the reading process puts on itself before it opens a file that a stranger sent."""

import ctypes
import os
import resource
import signal

from app.ingest.limits import Limits

_PR_SET_PDEATHSIG = 1


def bind(limits: Limits, parent: int) -> None:
    """Limit this process's memory and output, keep it from leaving core files, and tie its life to `parent`'s."""
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.output_bytes, limits.output_bytes))
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the line above.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)

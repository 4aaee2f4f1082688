"""Stopping processes for a while, as a machine does that is paused or out of breath."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil


def pause(processes: Sequence[psutil.Process], seconds: float, then: Callable[[], None]) -> None:
    """SIGSTOP now, SIGCONT after `seconds`, and `then`; in a thread of its own.

    Whoever asks may himself have to wait meanwhile: for a lock of SQLite's that a stopped process holds.
    """
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()

    def resume() -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        then()

    timer = threading.Timer(seconds, resume)
    timer.daemon = True
    timer.start()

"""Workers beside the API: processes that are started again when they end by themselves, and ended in order."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SECONDS = 20.0
RESTART_SECONDS = 2.0
_LOG = logging.getLogger("dropnorm")


@contextmanager
def kept(workers: int) -> Iterator[None]:
    """Keeps so many workers alive until the block ends; none is left then."""
    stop = threading.Event()
    keepers = [threading.Thread(target=_keep, args=(stop,)) for _ in range(workers)]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join()


def _keep(stop: threading.Event) -> None:
    command = [sys.executable, "-m", "app.cli", "worker", "--parent", str(os.getpid())]
    while not stop.is_set():
        try:
            # Out of the terminal's process group: Ctrl-C reaches the server, which then ends its workers in order.
            worker = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own interpreter and module
        except OSError as error:
            # As on a machine without memory or processes to give; it may have some again.
            _LOG.warning("no worker can be started: %s", error.strerror)
            stop.wait(RESTART_SECONDS)
            continue
        while worker.poll() is None and not stop.wait(0.2):
            continue
        if worker.poll() is None:
            _end(worker)
        else:
            _LOG.warning("a worker ended with status %d; another is started", worker.returncode)
            stop.wait(RESTART_SECONDS)


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()

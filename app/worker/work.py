"""A worker process: a supervisor, its upkeep, and the signals that end them."""

import os
import secrets
import signal
import socket
import threading
from importlib.metadata import version
from pathlib import Path

from app.storage.base import DEFAULT_PROJECT
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.tracing import tracing_to
from app.worker.supervisor import Pace, Supervisor
from app.worker.upkeep import Upkeep


def work(database_url: str, data_dir: Path, pace: Pace, traces_endpoint: str = "") -> None:
    """One worker, until SIGTERM or SIGINT. Its spans go to `traces_endpoint`, if there is one."""
    # A process id may be used again while its old row is still there: the rest of the name is not.
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    tracing = tracing_to(traces_endpoint, "dropnorm-worker", version("dropnorm"))
    supervisor = Supervisor(Database(database_url), Blobs(data_dir), name, DEFAULT_PROJECT, pace, tracing)
    _stop_on_signals(supervisor.stop)
    Upkeep(supervisor.database, supervisor.blobs, supervisor.stop).start()
    try:
        supervisor.run()
    finally:
        if tracing is not None:
            tracing.close()


def _stop_on_signals(stop: threading.Event) -> None:
    # An event that a handler sets while the interrupted code waits for it may lock up. So the handler does nothing, and
    # a thread reads of the signal from the pipe to which the interpreter writes it.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()

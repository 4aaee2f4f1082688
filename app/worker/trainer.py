"""The child process that computes: it waits for orders with torch imported, trains or answers, and publishes files.

It reports over its standard output; whatever else prints goes to standard error. It knows no database.
"""

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator

import orjson
import torch
from setproctitle import setproctitle

from app.errors import DropnormError
from app.ingest.bounds import die_with
from app.logs import about_run, configure_from
from app.storage.disks import failure_of
from app.worker.attempt import Attempt, Stopped
from app.worker.batch import BatchAttempt
from app.worker.channel import Sender
from app.worker.environment import environment
from app.worker.orders import AnyOrder, BatchOrder, read_order
from app.worker.rehearsal import rehearse

ALLOCATOR_FULL = ("not enough memory", "can't allocate memory")
_LOG = logging.getLogger("dropnorm.trainer")


def main(parent: int) -> None:
    """Serves the supervisor `parent`, one order after another, and dies with it."""
    die_with(parent)
    setproctitle("dropnorm trainer: waiting")
    # Whoever asks a whole group to stop means the supervisor, which ends this process in its own time.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # One thread: the faster choice for such networks, and the only one that gives the same bits every time.
    torch.set_num_threads(1)
    sender = Sender(reports)
    rehearse()
    sender.send({"kind": "ready"})
    desk = Desk()
    for order in desk.orders():
        _serve(order, sender.about(order.folder), desk.stop)
        setproctitle("dropnorm trainer: waiting")


class Desk:
    """Where messages of the supervisor arrive: orders are queued, the wish to stop one is heard while it runs."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._orders: queue.Queue[AnyOrder | None] = queue.Queue()
        self._current = self._stopped = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def orders(self) -> Iterator[AnyOrder]:
        """Orders as they come, until the supervisor closes its end."""
        while (order := self._orders.get()) is not None:
            self.stop.clear()
            self._current = order.folder
            # The wish to stop may have come while the order still waited here.
            if self._stopped == order.folder:
                self.stop.set()
            yield order
            self._current = ""

    def _listen(self) -> None:
        try:
            self._hear()
        except Exception:  # noqa: BLE001 - a supervisor of another version, which would else wait for an answer
            _LOG.exception("the supervisor says what this trainer does not understand")
            os._exit(os.EX_PROTOCOL)

    def _hear(self) -> None:
        for line in sys.stdin.buffer:
            message = orjson.loads(line)
            if message["kind"] == "order":
                self._orders.put(read_order(message["order"]))
                continue
            self._stopped = message["folder"]
            if self._stopped == self._current:
                self.stop.set()
        self.stop.set()
        self._orders.put(None)


def _serve(order: AnyOrder, sender: Sender, stop: threading.Event) -> None:
    setproctitle(f"dropnorm trainer: {order.folder}")
    with about_run(order.run_id):
        _compute(order, sender, stop)


def _compute(order: AnyOrder, sender: Sender, stop: threading.Event) -> None:
    try:
        sender.send({"kind": "started", "environment": environment()})
        if isinstance(order, BatchOrder):
            sender.send(BatchAttempt(order, sender, stop).run())
        else:
            sender.send(Attempt(order, sender, stop).run())
    except Stopped:
        sender.send({"kind": "stopped"})
    except BrokenPipeError:
        _LOG.warning("the supervisor is gone")
    except Exception as error:  # noqa: BLE001 - the last line of defence: the run must end, and the log must say why
        code, message = failure(error)
        if code == "internal":
            _LOG.exception("the job failed by a fault of the service")
        sender.send({"kind": "failed", "code": code, "message": message})


def failure(error: Exception) -> tuple[str, str]:
    """The code and the sentence by which a job tells what ended it."""
    if isinstance(error, DropnormError):
        return error.code, error.detail
    disk = failure_of(error) if isinstance(error, OSError) else None
    if disk is not None:
        return disk.code, disk.detail
    # PyTorch has a class for a full accelerator only; on a processor its allocator raises a bare `RuntimeError`.
    full = isinstance(error, RuntimeError) and any(text in str(error) for text in ALLOCATOR_FULL)
    if full or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return "out_of_memory", "there was not enough memory to train"
    return "internal", "the training process failed; the failure is in the worker's log"


if __name__ == "__main__":
    configure_from(sys.argv[2:])
    main(int(sys.argv[1]))

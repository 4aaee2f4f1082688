"""The child process that computes: it waits for one order with torch imported, trains, publishes files, and ends.

It reports over its standard output; whatever else prints goes to standard error. It knows no database.
"""

import logging
import os
import sys
import threading
import traceback

import orjson
import torch
from setproctitle import setproctitle

from app.errors import DropnormError
from app.ingest.bounds import die_with
from app.worker.attempt import Attempt, Stopped
from app.worker.channel import Sender
from app.worker.environment import environment
from app.worker.orders import Order

_LOG = logging.getLogger("dropnorm.trainer")


def main(parent: int) -> None:
    """Serves the supervisor `parent`, and dies with it."""
    die_with(parent)
    setproctitle("dropnorm trainer: waiting")
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # One thread: the faster choice for such networks, and the only one that gives the same bits every time.
    torch.set_num_threads(1)
    line = sys.stdin.buffer.readline()
    if line:
        _serve(Order.model_validate(orjson.loads(line)["order"]), Sender(reports))


def _serve(order: Order, sender: Sender) -> None:
    setproctitle(f"dropnorm trainer: {order.folder}")
    stop = threading.Event()
    threading.Thread(target=_listen, args=(stop,), daemon=True).start()
    try:
        sender.send({"kind": "started", "environment": environment()})
        sender.send(Attempt(order, sender, stop).run())
    except Stopped:
        sender.send({"kind": "stopped"})
    except DropnormError as error:
        sender.send({"kind": "failed", "code": error.code, "message": error.detail})
    except MemoryError:
        sender.send({"kind": "failed", "code": "out_of_memory", "message": "there was not enough memory to train"})
    except BrokenPipeError:
        _LOG.warning("the supervisor is gone")
    except Exception:  # noqa: BLE001 - the last line of defence: the run must end, and the log must say why
        traceback.print_exc()
        message = "the training process failed; the failure is in the worker's log"
        sender.send({"kind": "failed", "code": "internal", "message": message})


def _listen(stop: threading.Event) -> None:
    # Anything more on standard input is the wish to stop; its end means that the supervisor is gone.
    sys.stdin.buffer.readline()
    stop.set()


if __name__ == "__main__":
    main(int(sys.argv[1]))

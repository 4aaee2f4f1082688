"""The bounded process: one order and then a table on stdin, progress on stdout, answers in a file that it inherits."""

import errno
import os
import resource
import sys
from typing import BinaryIO, TextIO

from app.bulk.order import Order, Progress
from app.errors import DropnormError, StorageFull, TooLarge
from app.ingest.bounds import bind
from app.ingest.limits import Limits
from app.ingest.order import Failure


def main() -> None:
    """Carries out the order on stdin, within its bounds, and says how it ended."""
    # Whatever a library prints goes to stderr, so that stdout holds the progress alone.
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    given = sys.stdin.buffer
    order = Order.model_validate_json(given.readline())
    bounds = order.bounds
    bind(Limits(memory_bytes=bounds.memory_bytes, output_bytes=bounds.output_bytes), order.parent)
    # The signal of the first bound says which one it was; that of the second would not.
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.seconds, bounds.seconds + 1))
    failure = failed(order, given, said)
    if failure is not None:
        _tell(said, Progress(failure=Failure.of(failure)))


def failed(order: Order, given: BinaryIO, said: TextIO) -> DropnormError | None:
    """Carries out `order`. Answers what kept it from that: each failure that a table, a model or the disk can cause."""
    # Imported once the bounds stand: the parsers are what the bounds are for.
    from app.bulk.carrying_out import carry_out

    try:
        carry_out(order, given, lambda progress: _tell(said, progress))
    except DropnormError as error:
        return error
    except MemoryError:
        return TooLarge(f"Answering takes more than {order.bounds.memory_bytes >> 20} MB of memory.")
    except OSError as error:
        return _disk(error)
    return None


def _disk(error: OSError) -> DropnormError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The disk has no room left for the answers.")
    if error.errno == errno.EFBIG:
        return TooLarge("The answers take more room than they may.", code="answer_too_large")
    raise error


def _tell(said: TextIO, progress: Progress) -> None:
    said.write(progress.model_dump_json(exclude_defaults=True) + "\n")
    said.flush()


if __name__ == "__main__":
    main()

"""The bounded process: one order on stdin, one answer on stdout, arrays in the order's folder."""

import csv
import errno
import os
import sys

from app.errors import DropnormError, InvalidDataset, StorageFull, TooLarge
from app.ingest.bounds import bind
from app.ingest.limits import BLOCK_BYTES
from app.ingest.order import Answer, Failure, Order


def main() -> None:
    # Whatever a library prints goes to stderr, so that stdout holds the answer alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = Order.model_validate_json(sys.stdin.buffer.read())
    bind(order.limits, order.parent)
    # Only what is shown of a bad row is read by this module; blocks are bounded already.
    csv.field_size_limit(2 * BLOCK_BYTES)
    answer = answered(order)
    with answers:
        answers.write(answer.model_dump_json() + "\n")


def answered(order: Order) -> Answer:
    """Carry out `order`; each failure that a file or the disk can cause becomes part of the answer."""
    # Imported once the bounds stand: the parsers are what the bounds are for.
    from app.ingest.read import read

    try:
        return Answer(dataset=read(order))
    except DropnormError as error:
        return Answer(failure=Failure.of(error))
    except MemoryError:
        return Answer(failure=Failure.of(_memory(order)))
    except RuntimeError as error:
        # What Python says where there is no memory for another thread's stack.
        if "start new thread" not in str(error):
            raise
        return Answer(failure=Failure.of(_memory(order)))
    except OSError as error:
        return Answer(failure=Failure.of(_disk(error)))


def _memory(order: Order) -> DropnormError:
    return TooLarge(f"Reading the file takes more than {order.limits.memory_bytes >> 20} MB of memory.")


def _disk(error: OSError) -> DropnormError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The disk has no room left for this dataset.")
    if error.errno == errno.EFBIG:
        return TooLarge("The dataset takes more room, once read, than one dataset may.")
    return InvalidDataset("The file could not be read.")


if __name__ == "__main__":
    main()

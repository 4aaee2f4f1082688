"""What logs and traces say of an attempt, around the work on it."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.errors import DropnormError
from app.logs import about_run
from app.storage.jobs import Claim, LostJob
from app.tracing import Attributes, Tracing

FAILED = ("failed", "trainer lost", "lost", "internal")
_LOG = logging.getLogger("dropnorm.worker")


@contextmanager
def attempt_told(tracing: Tracing | None, run_id: str, held: Claim) -> Iterator[Attributes]:
    """Lines that are logged within the block name the run, and a span is around it where there are traces.

    The block puts how the attempt ended into the dictionary that it gets, as `outcome`; a failure that leaves the block
    is an outcome by its code.
    """
    with ExitStack() as stack:
        stack.enter_context(about_run(run_id))
        told: Attributes = {}
        if tracing is not None:
            told = stack.enter_context(tracing.span("attempt", run=run_id, job=held.job_id, attempt=held.attempt))
        _LOG.info("attempt %d of %s begins", held.attempt, held.job_id)
        try:
            yield told
        except LostJob:
            told["outcome"] = "lost"
            raise
        except DropnormError as error:
            told["outcome"] = error.code
            raise
        except Exception:
            told["outcome"] = "internal"
            raise
        finally:
            told["failed"] = told.get("outcome") in FAILED
            _LOG.info("attempt %d of %s ends: %s", held.attempt, held.job_id, told.get("outcome"))

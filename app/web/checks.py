"""What must be there for the service to do its job: looked at together, and at most twice a second."""

from app.errors import DropnormError
from app.storage import revision, workers
from app.web.context import Context
from app.web.readiness import Checks

WORKER_SECONDS = 30.0
OK = "ok"


async def seen(parts: Context) -> Checks:
    """Database, storage and worker: `ok`, or what is wrong."""
    return await parts.readiness.seen(lambda: _checks(parts))


async def can_answer(parts: Context) -> bool:
    """Whether predictions are answered: no worker is needed for that, and a server about to stop takes no more."""
    if parts.stopping.is_set():
        return False
    found = await seen(parts)
    return found["database"] == OK and found["storage"] == OK


def _checks(parts: Context) -> Checks:
    return {"database": _database(parts), "storage": _storage(parts), "worker": _worker(parts)}


def _database(parts: Context) -> str:
    try:
        return OK if revision.is_current(parts.database) else "not migrated: run `dropnorm migrate`"
    except DropnormError as error:
        return error.detail


def _storage(parts: Context) -> str:
    return parts.blobs.obstacle() or OK


def _worker(parts: Context) -> str:
    try:
        with parts.database.read() as session:
            return OK if workers.seen_within(session, WORKER_SECONDS) else "no worker was seen lately"
    except DropnormError as error:
        return error.detail

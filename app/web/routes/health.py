"""`/healthz` (alive), `/readyz` (able to do the job), and the front door."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from app.errors import DropnormError
from app.storage import revision, workers
from app.web.context import Context
from app.web.dependencies import Parts

router = APIRouter(tags=["operation"])
WORKER_SECONDS = 30.0
ALIVE = {"status": "alive"}
READY = {"status": "ready", "checks": {"database": "ok", "storage": "ok", "worker": "ok"}}


@router.get(
    "/healthz",
    summary="Is the process alive?",
    responses={
        200: {"content": {"application/json": {"example": ALIVE}}},
        503: {"description": "It is about to stop: send it nothing more.", "content": {"application/json": {}}},
    },
)
async def healthz(parts: Parts) -> Response:
    """What a proxy asks before it sends a request here."""
    # Not in the pool of threads, which a database that does not answer may fill.
    return _stopping() if parts.stopping.is_set() else JSONResponse(ALIVE)


@router.get(
    "/readyz",
    summary="Can the service do its job?",
    responses={
        200: {"content": {"application/json": {"example": READY}}},
        503: {"description": "Something is missing; `checks` says what.", "content": {"application/json": {}}},
    },
)
async def readyz(parts: Parts) -> JSONResponse:
    """Database answering and migrated, storage with room, a worker seen in the last half minute. 503 if not."""
    if parts.stopping.is_set():
        return _stopping()
    checks = await parts.readiness.seen(lambda: _checks(parts))
    ready = all(text == "ok" for text in checks.values())
    headers = None if ready else {"Retry-After": "2"}
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503, headers)


@router.get("/", include_in_schema=False)
async def front_door(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/docs")
    return JSONResponse(ALIVE)


def _stopping() -> JSONResponse:
    return JSONResponse({"status": "stopping"}, 503, {"Retry-After": "2"})


def _checks(parts: Context) -> dict[str, str]:
    return {"database": _database(parts), "storage": _storage(parts), "worker": _worker(parts)}


def _database(parts: Context) -> str:
    try:
        return "ok" if revision.is_current(parts.database) else "not migrated: run `dropnorm migrate`"
    except DropnormError as error:
        return error.detail


def _storage(parts: Context) -> str:
    return parts.blobs.obstacle() or "ok"


def _worker(parts: Context) -> str:
    try:
        with parts.database.read() as session:
            return "ok" if workers.seen_within(session, WORKER_SECONDS) else "no worker was seen lately"
    except DropnormError as error:
        return error.detail

"""`/healthz` (alive), `/readyz` (able to do the job), and the front door."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from app.web import checks
from app.web.dependencies import Parts

router = APIRouter(tags=["operation"])
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
    found = await checks.seen(parts)
    ready = all(text == checks.OK for text in found.values())
    headers = None if ready else {"Retry-After": "2"}
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": found}, 200 if ready else 503, headers)


@router.get("/", include_in_schema=False)
async def front_door(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/docs")
    return JSONResponse(ALIVE)


def _stopping() -> JSONResponse:
    return JSONResponse({"status": "stopping"}, 503, {"Retry-After": "2"})

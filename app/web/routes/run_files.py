"""`/runs/{id}/events` and `/runs/{id}/artifacts/{name}`: what a run says while it runs, and what it leaves behind."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from orjson import dumps

from app.errors import FieldError, Invalid, NotFound
from app.storage import events, models, runs
from app.storage.tables import EventRow
from app.web.context import Context
from app.web.dependencies import Parts, Project, Reading
from app.web.downloads import download
from app.web.examples import EVENTS
from app.web.moments import moment
from app.web.problems import problems

router = APIRouter(prefix="/runs", tags=["runs"])
MEDIA_TYPES = {".json": "application/json", ".md": "text/markdown"}
ANY_FILE = "application/octet-stream"
FILE_SCHEMAS: dict[str, dict[str, Any]] = {
    ANY_FILE: {"type": "string", "format": "binary"},
    "application/json": {},
    "text/markdown": {"type": "string"},
}
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="go on behind this event")]


@router.get(
    "/{run_id}/events",
    summary="Follow a run",
    response_class=StreamingResponse,
    responses={
        **problems(404, 422),
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENTS}}},
        204: {"description": "The run has ended and `Last-Event-ID` is its `end`: a browser stops asking for more."},
    },
)
async def follow_run(run_id: str, parts: Parts, project: Project, last: LastEventId = None) -> Response:
    """Server-Sent Events `status`, `epoch`, `log`, and always a last `end`. With `Last-Event-ID` nothing is missed."""
    after = _number(last)
    model, ended = await asyncio.to_thread(_state, parts, project, run_id, after)
    if ended:
        return Response(status_code=204)
    stream = _stream(parts, parts.broadcast.follow(run_id, after), project, model)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get(
    "/{run_id}/artifacts/{name}",
    summary="Download a file of a run",
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {"content": {media_type: {"schema": schema} for media_type, schema in FILE_SCHEMAS.items()}},
    },
)
def get_artifact(run_id: str, name: str, session: Reading, parts: Parts, project: Project) -> StreamingResponse:
    """The digest is checked before the first byte is sent."""
    runs.get(session, project, run_id)
    file = models.artifacts(session, project, run_id).get(name)
    if file is None:
        raise NotFound("the run has no such file", code="artifact_not_found")
    suffix = os.path.splitext(name)[1]
    return download(parts.blobs, file, name, MEDIA_TYPES.get(suffix, ANY_FILE))


def _state(parts: Context, project: str, run_id: str, after: int) -> tuple[str, bool]:
    """The name of the run's model, and whether nothing comes behind event number `after`."""
    with parts.database.read() as session:
        return runs.get(session, project, run_id).model, events.ended_by(session, run_id, after)


async def _stream(
    parts: Context, rows: AsyncIterator[EventRow | None], project: str, model: str
) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for row in rows:
        if row is None:
            yield b": nothing new\n\n"
            continue
        if row.data.get("status") == "succeeded":
            # A model answers as soon as its run says `succeeded`.
            await asyncio.to_thread(parts.catalogue.refresh, project, model)
        yield _event(row)


def _event(row: EventRow) -> bytes:
    data = dumps({**row.data, "at": moment(row.at)})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (row.seq, row.kind.encode(), data)


def _number(last: str | None) -> int:
    if last is None or last == "":
        return 0
    if not (last.isascii() and last.isdigit() and len(last) < 16):
        raise Invalid(
            "Last-Event-ID must be the id of an event",
            code="event_id_invalid",
            errors=(FieldError("/Last-Event-ID", "must be a number", last[:80]),),
        )
    return int(last)

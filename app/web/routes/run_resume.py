"""`/runs/{id}/resume`: a new run that begins where an ended one's last checkpoint stands."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from app.storage import idempotency, quotas, resumption
from app.storage.idempotency import Answer
from app.storage.resumption import Source
from app.web.answers import created, digest_of, once, respond
from app.web.context import Context
from app.web.dependencies import IdempotencyKey, Parts, Project
from app.web.examples import RESUME_REQUEST, RESUMED_RUN
from app.web.problems import problems
from app.web.resumption import ResumeRequest, asked_again, check_epochs, resumed
from app.web.schemas import RunView
from app.web.strict_json import StrictRoute
from app.web.submission import plan
from app.web.views import run_view

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)
ResumeBody = Annotated[ResumeRequest, Body(openapi_examples={"more epochs": {"value": RESUME_REQUEST}})]
UNCHANGED = ResumeRequest()


@router.post(
    "/{run_id}/resume",
    status_code=202,
    summary="Go on with an ended run, as a new one",
    response_model=RunView,
    responses=problems(400, 404, 409, 413, 415, 422, 429, 507, example=RESUMED_RUN, status=202),
)
def resume_run(
    request: Request,
    run_id: str,
    parts: Parts,
    project: Project,
    wanted: ResumeBody = UNCHANGED,
    key: IdempotencyKey = None,
) -> Response:
    """A failed or cancelled run goes on, or a succeeded one for more `epochs`; the old one never changes.

    The new run starts from a copy of the newest readable checkpoint and lists the epochs before it as its own, with
    `inherited`. A schedule keeps its first horizon unless `training.schedule` is given. `max_seconds` counts anew.
    409 while the old run is queued or running (`run_not_ended`), without a checkpoint (`no_checkpoint`), and for a
    succeeded run without more epochs (`already_complete`). No body is needed where nothing changes.
    """
    digest = digest_of(request.url.path, wanted.canonical())
    with parts.database.read() as session:
        # The first answer stands, also where what it was made from is gone by now.
        first = idempotency.find(session, project, key, digest) if key else None
        if first is not None:
            return respond(first)
        source = resumption.find(session, project, run_id)
        asked = asked_again(session, project, source)
    checked = plan(parts.blobs, asked, resumed(source, wanted))
    _check_room(parts, project, key, source)
    with resumption.inherited(parts.blobs, source) as state:
        check_epochs(wanted, state)

        def make() -> Answer:
            quotas.admit_job(session, project, parts.limits.quota)
            horizon = "schedule" in wanted.changes()
            row = resumption.record(session, project, state, checked.submission, new_horizon=horizon)
            quotas.check_stored(session, project, parts.limits.quota)
            return created(202, f"/api/v1/runs/{row.id}", run_view(row))

        with parts.database.write() as session:
            answer = once(session, project, key, digest, make)
    return respond(answer)


def _check_room(parts: Context, project: str, key: str | None, source: Source) -> None:
    """Refuses what there is no room for before anything is copied; what was answered before is answered again.

    What passes is looked at again in the transaction that records it.
    """
    with parts.database.read() as session:
        if key is None or not idempotency.known(session, project, key):
            quotas.admit_job(session, project, parts.limits.quota)
            quotas.check_stored(session, project, parts.limits.quota, source.least_bytes)

"""`/runs`: checked, submitted, read, cancelled, deleted."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field

from app.storage import idempotency, quotas, runs
from app.storage.idempotency import Answer
from app.storage.runs import Filters
from app.web.answers import created, digest_of, once, respond
from app.web.dependencies import IdempotencyKey, PageQuery, Parts, Project, Reading, Writing
from app.web.examples import EPOCHS, RUN, RUN_CHECK, RUN_REQUEST, page_of
from app.web.problems import kept, problems
from app.web.schemas import EpochsView, PageView, RunCheckView, RunRequest, RunView, Status
from app.web.strict_json import StrictRoute
from app.web.submission import check_view, gather, plan
from app.web.tables import csv_answer, wants_csv
from app.web.views import epoch_table, epoch_view, run_view

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)
RunBody = Annotated[RunRequest, Body(openapi_examples={"penguins": {"value": RUN_REQUEST}})]

METRICS_ANSWER = {
    "content": {
        "application/json": {"example": kept(EPOCHS)},
        "text/csv": {"schema": {"type": "string"}, "example": "epoch,learning_rate,train_loss\r\n1,0.001,1.05\r\n"},
    }
}


class RunsQuery(PageQuery):
    """Which runs a list holds."""

    status: Status | None = None
    model: Annotated[str, Field(max_length=100)] | None = None
    dataset: Annotated[str, Field(max_length=100)] | None = None
    tag: Annotated[str, Field(max_length=100)] | None = None


@router.post(
    "/check", summary="Check a run, start nothing", responses=problems(400, 404, 413, 415, 422, example=RUN_CHECK)
)
def check_run(wanted: RunBody, parts: Parts, project: Project) -> RunCheckView:
    """Rows, steps, the last batch and what is done with it, parameters, memory, findings."""
    with parts.database.read() as session:
        asked = gather(session, project, wanted)
    return check_view(plan(parts.blobs, asked, wanted))


@router.post(
    "",
    status_code=202,
    summary="Submit a run",
    response_model=RunView,
    responses=problems(400, 404, 409, 413, 415, 422, 429, 507, example=RUN, status=202),
)
def submit_run(
    request: Request, wanted: RunBody, parts: Parts, project: Project, key: IdempotencyKey = None
) -> Response:
    """Queues the run; a worker takes it at once when one is free. Follow it at `/runs/{id}/events`."""
    digest = digest_of(request.url.path, wanted.model_dump_json().encode())
    with parts.database.read() as session:
        # The first answer stands, also where what it was made from is gone by now.
        first = idempotency.find(session, project, key, digest) if key else None
        if first is not None:
            return respond(first)
        asked = gather(session, project, wanted)
    checked = plan(parts.blobs, asked, wanted)

    def make() -> Answer:
        quotas.admit_job(session, project, parts.limits.quota)
        row = runs.submit(session, project, checked.submission)
        return created(202, f"/api/v1/runs/{row.id}", run_view(row))

    with parts.database.write() as session:
        answer = once(session, project, key, digest, make)
    return respond(answer)


@router.get("", summary="List runs", responses=problems(422, example=page_of(RUN)))
def list_runs(session: Reading, project: Project, query: Annotated[RunsQuery, Query()]) -> PageView[RunView]:
    filters = Filters(query.status, query.model, query.dataset, query.tag)
    rows, following = runs.page(session, project, filters, query.limit, query.cursor)
    return PageView(items=[run_view(row) for row in rows], next=following)


@router.get("/{run_id}", summary="Get a run", responses=problems(404, example=RUN))
def get_run(run_id: str, parts: Parts, project: Project) -> RunView:
    with parts.database.read() as session:
        row = runs.get(session, project, run_id)
    if row.result and not parts.catalogue.knows(project, row.model, row.result["version"]):
        # A model answers as soon as its run says `succeeded`.
        parts.catalogue.refresh(project, row.model)
    return run_view(row)


@router.get(
    "/{run_id}/metrics",
    summary="Get a run's metrics, epoch by epoch",
    response_model=EpochsView,
    responses={**problems(404), 200: METRICS_ANSWER},
)
def get_metrics(request: Request, run_id: str, session: Reading, project: Project) -> EpochsView | Response:
    """`train` is what the optimiser saw (dropout on, batch statistics); `train_eval` is the same rows in eval mode;
    `validation` is held-out rows in eval mode. Epochs that a resumed run has from the run before it say `inherited`:
    true; no others have that key. `Accept: text/csv` gives a table."""
    runs.get(session, project, run_id)
    reports = [epoch_view(row) for row in runs.epochs(session, run_id)]
    return csv_answer(*epoch_table(reports)) if wants_csv(request) else EpochsView(epochs=reports)


@router.post(
    "/{run_id}/cancel", status_code=202, summary="Cancel a run", responses=problems(404, 409, example=RUN, status=202)
)
def cancel_run(run_id: str, session: Writing, project: Project) -> RunView:
    """A queued run is cancelled at once; a running one stops within moments. 409 when it has ended."""
    return run_view(runs.cancel(session, project, run_id))


@router.delete("/{run_id}", status_code=204, summary="Delete an ended run", responses=problems(404, 409))
def delete_run(run_id: str, parts: Parts, project: Project) -> None:
    """409 while it is queued or running, and while a version of a model is made of it."""
    with parts.database.write() as session:
        folder = runs.remove(session, project, run_id)
    parts.catalogue.forget_run(project, run_id)
    parts.registry.forget(run_id)
    parts.blobs.remove(folder)

"""`/models/{name}/batch-predictions` and `/jobs`: a stored dataset answered in the background, and its result."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.domain.data.stored import check_columns
from app.storage import batch_predictions, datasets, idempotency, quotas
from app.storage.batch_predictions import BatchPrediction
from app.storage.idempotency import Answer
from app.web.answers import created, digest_of, once, respond
from app.web.dependencies import IdempotencyKey, PageQuery, Parts, Project, Reading, Writing
from app.web.downloads import download
from app.web.examples import page_of
from app.web.job_examples import BATCH, JOB, JOB_CANCELLED, JOB_DONE, RESULT
from app.web.job_views import BatchRequest, JobView, Kind, job_view
from app.web.problems import problems
from app.web.releasing import served_by
from app.web.schemas import PageView, Status
from app.web.strict_json import StrictRoute

router = APIRouter(tags=["jobs"], route_class=StrictRoute)
BatchBody = Annotated[BatchRequest, Body(openapi_examples={"flowers": {"value": BATCH}})]
MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
FILES = {
    "text/csv": {"schema": {"type": "string"}, "example": RESULT},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
}


class JobsQuery(PageQuery):
    """Which jobs a list holds."""

    status: Status | None = None
    kind: Kind | None = None


@router.post(
    "/models/{name}/batch-predictions",
    status_code=202,
    summary="Answer a stored dataset in the background",
    response_model=JobView,
    responses=problems(400, 404, 409, 413, 415, 422, 429, 507, example=JOB, status=202),
)
def submit_batch_prediction(
    request: Request, name: str, wanted: BatchBody, parts: Parts, project: Project, key: IdempotencyKey = None
) -> Response:
    """A job, followed at `/jobs/{id}`: one row of answers a row of the dataset, in its order, as `/predict` gives them.

    What the version or alias stands for now is what answers, wherever an alias moves meanwhile. Any column of the
    dataset may be its target. Neither dataset nor run can be deleted before the job has ended.
    """
    digest = digest_of(request.url.path, wanted.model_dump_json().encode())
    with parts.database.read() as session:
        # The first answer stands, also where what it was made from is gone by now.
        first = idempotency.find(session, project, key, digest) if key else None
    if first is not None:
        return respond(first)
    served = served_by(parts, project, name, wanted.version, wanted.alias)
    with parts.database.read() as session:
        schema = datasets.schema_of(datasets.get(session, project, wanted.dataset))
    check_columns(parts.registry.load(served).preprocessing, schema)
    assert served.version is not None
    asked = BatchPrediction(
        name, served.version, served.run_id, wanted.dataset, wanted.format, **wanted.options.model_dump()
    )

    def make() -> Answer:
        quotas.admit_job(session, project, parts.limits.quota)
        row = batch_predictions.submit(session, project, asked)
        return created(202, f"/api/v1/jobs/{row.job_id}", job_view(row))

    with parts.database.write() as session:
        answer = once(session, project, key, digest, make)
    return respond(answer)


@router.get("/jobs", summary="List jobs", responses=problems(422, example=page_of(JOB)))
def list_jobs(session: Reading, project: Project, query: Annotated[JobsQuery, Query()]) -> PageView[JobView]:
    """Batch predictions; runs have a list of their own."""
    rows, following = batch_predictions.page(session, project, query.status, query.limit, query.cursor)
    return PageView(items=[job_view(row) for row in rows], next=following)


@router.get("/jobs/{job_id}", summary="Get a job", responses=problems(404, example=JOB_DONE))
def get_job(job_id: str, session: Reading, project: Project) -> JobView:
    return job_view(batch_predictions.get(session, project, job_id))


@router.get(
    "/jobs/{job_id}/result",
    summary="Download a job's result",
    response_class=StreamingResponse,
    responses={**problems(404, 409), 200: {"content": FILES}},
)
def get_result(job_id: str, parts: Parts, project: Project) -> StreamingResponse:
    """The file whole. 409 before the job has succeeded. The digest is checked before the first byte is sent."""
    with parts.database.read() as session:
        row = batch_predictions.get(session, project, job_id)
    # No transaction is open while a large file is checked.
    file = batch_predictions.file_of(row)
    return download(parts.blobs, file, f"{job_id}.{row.format}", MEDIA_TYPES[row.format])


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    responses=problems(404, 409, example=JOB_CANCELLED, status=202),
)
def cancel_job(job_id: str, session: Writing, project: Project) -> JobView:
    """A queued job is cancelled at once; a running one stops within moments. 409 when it has ended."""
    return job_view(batch_predictions.cancel(session, project, job_id))


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete an ended job", responses=problems(404, 409))
def delete_job(job_id: str, parts: Parts, project: Project) -> None:
    """Its result goes with it. 409 while it is queued or running."""
    with parts.database.write() as session:
        folder = batch_predictions.remove(session, project, job_id)
    parts.blobs.remove(folder)

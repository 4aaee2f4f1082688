"""`/datasets`: uploads, their profiles, a preview of their rows."""

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.storage import datasets, idempotency, quotas
from app.storage.idempotency import Answer
from app.storage.workfolders import work_folder
from app.web.answers import respond
from app.web.context import Context
from app.web.dependencies import DIGITS, IdempotencyKey, Page, Parts, Project, Reading
from app.web.examples import DATASET, DATASET_BODIES, ROWS, page_of
from app.web.intake import Intake, record, take_in
from app.web.preview import preview
from app.web.problems import kept, problems
from app.web.schemas import DatasetView, PageView, RowsView
from app.web.strict_json import StrictRoute
from app.web.views import dataset_view

router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    summary="Upload a dataset",
    response_model=DatasetView,
    openapi_extra={"requestBody": kept(DATASET_BODIES)},
    responses=problems(400, 409, 413, 415, 422, 507, example=DATASET, status=201),
)
async def create_dataset(request: Request, parts: Parts, project: Project, key: IdempotencyKey = None) -> Response:
    """A file in a form (`file`, and `name`, `target`, `task`, `columns`), or small data as JSON rows.

    The file streams to disk, is read once in a bounded process of its own, and is profiled. The same bytes are
    stored once.
    """
    await asyncio.to_thread(_check_room, parts, project, key)
    with ExitStack() as ours:
        folder = ours.enter_context(work_folder(parts.blobs))
        intake = await take_in(request, folder, parts.reading)
        # From here on the folder is the thread's, which goes on where a server that stops waits for it no longer.
        work = partial(_recorded, ours.pop_all(), parts, project, key, intake, folder)
        return respond(await asyncio.get_running_loop().run_in_executor(parts.reading, work))


@router.get("", summary="List datasets", responses=problems(422, example=page_of(DATASET)))
def list_datasets(session: Reading, project: Project, page: Page) -> PageView[DatasetView]:
    rows, following = datasets.page(session, project, page.limit, page.cursor)
    return PageView(items=[dataset_view(row) for row in rows], next=following)


@router.get("/{dataset_id}", summary="Get a dataset's profile", responses=problems(404, example=DATASET))
def get_dataset(dataset_id: str, session: Reading, project: Project) -> DatasetView:
    return dataset_view(datasets.get(session, project, dataset_id))


@router.get("/{dataset_id}/rows", summary="Preview a dataset's rows", responses=problems(404, 422, example=ROWS))
def get_rows(
    dataset_id: str,
    session: Reading,
    project: Project,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=200), DIGITS] = 20,
) -> RowsView:
    """The first rows as they were read: null is a missing value."""
    row = datasets.get(session, project, dataset_id)
    columns = datasets.open_columns(parts.blobs, datasets.schema_of(row), datasets.files_of(row))
    return RowsView(rows=preview(columns, limit))


@router.delete("/{dataset_id}", status_code=204, summary="Delete a dataset", responses=problems(404, 409))
def delete_dataset(dataset_id: str, parts: Parts, project: Project) -> None:
    """409 while a run needs it."""
    with parts.database.write() as session:
        folder = datasets.remove(session, project, dataset_id)
    if folder is not None:
        parts.blobs.remove(folder)


def _recorded(owned: ExitStack, parts: Context, project: str, key: str | None, intake: Intake, folder: Path) -> Answer:
    with owned:
        return record(parts, project, key, intake, folder)


def _check_room(parts: Context, project: str, key: str | None) -> None:
    """Refuses what there is no room for before it is received; what was answered before is answered again."""
    with parts.database.read() as session:
        if key is None or not idempotency.known(session, project, key):
            quotas.check_room(session, project, parts.limits.quota)

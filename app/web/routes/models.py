"""`/models`: names and versions."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.storage import models
from app.web.dependencies import DIGITS, Page, Parts, Project, Reading
from app.web.examples import MODEL, VERSION, page_of
from app.web.problems import problems
from app.web.release_views import model_view, version_view
from app.web.schemas import ModelView, PageView, VersionView
from app.web.strict_json import StrictRoute

router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)
Number = Annotated[int, Path(ge=1, le=2**31 - 1), DIGITS]


@router.get("", summary="List models", responses=problems(422, example=page_of(MODEL)))
def list_models(session: Reading, project: Project, page: Page) -> PageView[ModelView]:
    """Those that have a version."""
    rows, following = models.page(session, project, page.limit, page.cursor)
    return PageView(items=[model_view(session, row) for row in rows], next=following)


@router.get("/{name}", summary="Get a model", responses=problems(404, example=MODEL))
def get_model(name: str, parts: Parts, project: Project) -> ModelView:
    with parts.database.read() as session:
        view = model_view(session, models.present(session, project, name))
    # What is told here answers from now on.
    parts.catalogue.refresh(project, name)
    return view


@router.delete("/{name}", status_code=204, summary="Delete a model", responses=problems(404, 409))
def delete_model(name: str, parts: Parts, project: Project) -> None:
    """All its versions stop answering; their runs and files stay. 409 while an alias names one.

    A later run may take the name again, and goes on counting: no number is given twice.
    """
    with parts.database.write() as session:
        models.remove(session, models.present(session, project, name))
    parts.catalogue.refresh(project, name)


@router.get("/{name}/versions/{number}", summary="Get a version", responses=problems(404, 422, example=VERSION))
def get_version(name: str, number: Number, parts: Parts, project: Project) -> VersionView:
    with parts.database.read() as session:
        model = models.get(session, project, name)
        row = models.version(session, model, number)
        view = version_view(row.version, row.run_id, row.created_at, models.aliases(session, model))
    parts.catalogue.refresh(project, name)
    return view


@router.delete(
    "/{name}/versions/{number}", status_code=204, summary="Delete a version", responses=problems(404, 409, 422)
)
def delete_version(name: str, number: Number, parts: Parts, project: Project) -> None:
    """It stops answering; its run and files stay. 409 while an alias names it."""
    with parts.database.write() as session:
        models.remove_version(session, models.get(session, project, name), number)
    parts.catalogue.refresh(project, name)

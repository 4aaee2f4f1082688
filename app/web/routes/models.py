"""`/models`: names, versions and aliases."""

from typing import Annotated

from fastapi import APIRouter, Body, Path

from app.storage import models
from app.storage.database import Session
from app.storage.model_tables import ModelRow
from app.web.dependencies import DIGITS, Page, Parts, Project, Reading
from app.web.examples import ALIAS, MODEL, VERSION, page_of
from app.web.moments import moment
from app.web.problems import problems
from app.web.schemas import AliasRequest, ModelView, PageView, VersionView
from app.web.strict_json import StrictRoute

router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)
Alias = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1), DIGITS]
AliasBody = Annotated[AliasRequest, Body(openapi_examples={"first": {"value": ALIAS}})]


@router.get("", summary="List models", responses=problems(422, example=page_of(MODEL)))
def list_models(session: Reading, project: Project, page: Page) -> PageView[ModelView]:
    rows, following = models.page(session, project, page.limit, page.cursor)
    return PageView(items=[_view(session, row) for row in rows], next=following)


@router.get("/{name}", summary="Get a model", responses=problems(404, example=MODEL))
def get_model(name: str, parts: Parts, project: Project) -> ModelView:
    with parts.database.read() as session:
        view = _view(session, models.get(session, project, name))
    # What is told here answers from now on.
    parts.catalogue.refresh(project, name)
    return view


@router.get("/{name}/versions/{number}", summary="Get a version", responses=problems(404, 422, example=VERSION))
def get_version(name: str, number: Number, parts: Parts, project: Project) -> VersionView:
    with parts.database.read() as session:
        model = models.get(session, project, name)
        row = models.version(session, model, number)
        named = [alias for alias, target in models.aliases(session, model).items() if target == number]
    parts.catalogue.refresh(project, name)
    return VersionView(version=row.version, run=row.run_id, aliases=named, created_at=moment(row.created_at))


@router.delete(
    "/{name}/versions/{number}", status_code=204, summary="Delete a version", responses=problems(404, 409, 422)
)
def delete_version(name: str, number: Number, parts: Parts, project: Project) -> None:
    """It stops answering; its run and files stay. 409 while an alias names it."""
    with parts.database.write() as session:
        models.remove_version(session, models.get(session, project, name), number)
    parts.catalogue.refresh(project, name)


@router.put(
    "/{name}/aliases/{alias}",
    summary="Set or move an alias",
    responses=problems(400, 404, 413, 415, 422, example=MODEL),
)
def set_alias(
    name: str,
    alias: Alias,
    wanted: AliasBody,
    parts: Parts,
    project: Project,
) -> ModelView:
    """The alias `serving` is what `/predict` answers with; without it the newest version answers."""
    with parts.database.write() as session:
        model = models.get(session, project, name)
        models.set_alias(session, model, alias, wanted.version)
        session.flush()
        view = _view(session, model)
    parts.catalogue.refresh(project, name)
    return view


@router.delete("/{name}/aliases/{alias}", status_code=204, summary="Delete an alias", responses=problems(404, 422))
def delete_alias(name: str, alias: Alias, parts: Parts, project: Project) -> None:
    with parts.database.write() as session:
        models.remove_alias(session, models.get(session, project, name), alias)
    parts.catalogue.refresh(project, name)


def _view(session: Session, model: ModelRow) -> ModelView:
    aliases = models.aliases(session, model)
    rows = models.versions(session, model)
    newest = rows[0].version if rows else None
    views = [
        VersionView(
            version=row.version,
            run=row.run_id,
            created_at=moment(row.created_at),
            aliases=[alias for alias, target in aliases.items() if target == row.version],
        )
        for row in rows
    ]
    return ModelView(
        name=model.name,
        versions=views,
        aliases=aliases,
        serving=aliases.get("serving", newest),
        created_at=moment(model.created_at),
    )

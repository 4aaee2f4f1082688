"""Models by name, for what is told of them: asked of the catalogue, and of the database where that is needed."""

import asyncio
from functools import partial

from app.errors import NotFound
from app.serving.catalogue import Served
from app.storage import model_records
from app.storage.model_records import ModelRecord
from app.web.context import Context


async def served_by(
    context: Context, project: str, name: str, *, version: int | None = None, alias: str | None = None
) -> Served:
    """What answers for a name, which is not loaded for that. Raises `NotFound`."""
    found = context.catalogue.find(project, name, version=version, alias=alias)
    if found is not None:
        return found
    return await asyncio.to_thread(partial(context.catalogue.learn, project, name, version=version, alias=alias))


async def record_of(context: Context, project: str, name: str) -> ModelRecord:
    """A model's versions and aliases as the database has them now. Raises `NotFound`, also where it has no version."""
    record = await asyncio.to_thread(context.catalogue.refresh, project, name)
    if record is None or not record.versions:
        raise NotFound("there is no such model", code="model_not_found")
    return record


async def records_of(context: Context, project: str) -> dict[str, ModelRecord]:
    """All models of a project that have a version, by name."""

    def read() -> dict[str, ModelRecord]:
        with context.database.read() as session:
            return model_records.of_project(session, project)

    return await asyncio.to_thread(read)

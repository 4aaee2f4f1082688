"""Models: names with numbered versions and aliases, which are all that users predict with."""

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.storage import paging
from app.storage.blobs import StoredFile
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.model_tables import AliasRow, ModelRow, VersionRow
from app.storage.tables import ArtifactRow
from app.storage.upserts import insert


def add_version(session: Session, project: str, name: str, run_id: str) -> int:
    """Gives the model `name` its next version; makes the model if there is none. Answers the number."""
    moment = select(now()).scalar_subquery()
    session.execute(
        insert(session, ModelRow)
        .values(id=new_id("mod"), project=project, name=name, versions_made=0, created_at=moment)
        .on_conflict_do_nothing(index_elements=["project", "name"])
    )
    row = session.execute(
        update(ModelRow)
        .where(ModelRow.project == project, ModelRow.name == name)
        .values(versions_made=ModelRow.versions_made + 1)
        .returning(ModelRow.id, ModelRow.versions_made)
        .execution_options(synchronize_session=False)
    ).one()
    session.add(
        VersionRow(
            model_id=row[0],
            version=row[1],
            project=project,
            run_id=run_id,
            created_at=session.scalar(select(now())) or 0.0,
        )
    )
    session.flush()
    return int(row[1])


def get(session: Session, project: str, name: str) -> ModelRow:
    row = session.scalar(select(ModelRow).where(ModelRow.project == project, ModelRow.name == name))
    if row is None:
        raise _unknown()
    return row


def present(session: Session, project: str, name: str) -> ModelRow:
    """Likewise of a model that has a version: the others are kept for their numbers alone, and are not there."""
    row = get(session, project, name)
    if session.scalar(select(VersionRow.version).where(VersionRow.model_id == row.id).limit(1)) is None:
        raise _unknown()
    return row


def page(session: Session, project: str, limit: int, cursor: str | None) -> tuple[Sequence[ModelRow], str | None]:
    """Those that have a version."""
    has_version = select(VersionRow.version).where(VersionRow.model_id == ModelRow.id).exists()
    query = select(ModelRow).where(ModelRow.project == project, has_version)
    return paging.page(session, query, ModelRow.created_at, ModelRow.id, limit, cursor)


def versions(session: Session, model: ModelRow) -> Sequence[VersionRow]:
    """Newest first."""
    query = select(VersionRow).where(VersionRow.model_id == model.id).order_by(VersionRow.version.desc())
    return session.scalars(query).all()


def version(session: Session, model: ModelRow, number: int) -> VersionRow:
    row = session.get(VersionRow, (model.id, number))
    if row is None:
        raise NotFound(f"model {model.name} has no version {number}", code="version_not_found")
    return row


def version_of_run(session: Session, run_id: str) -> VersionRow | None:
    return session.scalar(select(VersionRow).where(VersionRow.run_id == run_id).limit(1))


def aliases(session: Session, model: ModelRow) -> dict[str, int]:
    rows = session.scalars(select(AliasRow).where(AliasRow.model_id == model.id).order_by(AliasRow.alias))
    return {row.alias: row.version for row in rows}


def set_alias(session: Session, model: ModelRow, alias: str, number: int) -> int | None:
    """Moves (or makes) an alias; answers the version that it named before. The version must exist."""
    _lock(session, model)
    version(session, model, number)
    row = session.get(AliasRow, (model.id, alias))
    if row is None:
        session.add(AliasRow(model_id=model.id, alias=alias, project=model.project, version=number))
        return None
    before, row.version = row.version, number
    return before


def remove_alias(session: Session, model: ModelRow, alias: str) -> None:
    _lock(session, model)
    row = session.get(AliasRow, (model.id, alias))
    if row is None:
        raise NotFound(f"model {model.name} has no alias {alias}", code="alias_not_found")
    session.delete(row)


def remove_version(session: Session, model: ModelRow, number: int) -> None:
    """Deletes a version; its run and files stay with the run. Raises `Conflict` while an alias names it."""
    _lock(session, model)
    row = version(session, model, number)
    named = [alias for alias, target in aliases(session, model).items() if target == number]
    if named:
        raise Conflict(f"alias {named[0]} names version {number}; move or delete it first", code="version_in_use")
    session.execute(delete(VersionRow).where(VersionRow.model_id == model.id, VersionRow.version == row.version))


def remove(session: Session, model: ModelRow) -> None:
    """Deletes all versions; their runs and files stay. Raises `Conflict` while an alias names any.

    The name is free then, and goes on counting where it was: no number ever means two things.
    """
    _lock(session, model)
    named = aliases(session, model)
    if named:
        raise Conflict(f"alias {next(iter(named))} names a version; delete the aliases first", code="model_in_use")
    gone = session.execute(delete(VersionRow).where(VersionRow.model_id == model.id).returning(VersionRow.version))
    if not gone.all():
        raise _unknown()


def published(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Which of these runs have files still: those of a deleted one are gone with it."""
    return set(session.scalars(select(ArtifactRow.run_id).where(ArtifactRow.run_id.in_(run_ids)).distinct()))


def artifacts(session: Session, project: str, run_id: str) -> dict[str, StoredFile]:
    """The published files of a run by name; empty for a run that has none, or of another project."""
    query = select(ArtifactRow).where(ArtifactRow.run_id == run_id, ArtifactRow.project == project)
    return {row.name: StoredFile(row.key, row.bytes, row.sha256) for row in session.scalars(query)}


def _unknown() -> NotFound:
    return NotFound("there is no such model", code="model_not_found")


def _lock(session: Session, model: ModelRow) -> None:
    # One at a time changes what a model's names mean, so that no alias names a version that is gone.
    session.execute(select(ModelRow.id).where(ModelRow.id == model.id).with_for_update())

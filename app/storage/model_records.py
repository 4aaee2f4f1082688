"""Models as serving needs them: in one query, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from app.storage.model_tables import AliasRow, ModelRow, VersionRow


@dataclass(frozen=True)
class ModelRecord:
    """A model as serving needs it: the run of each version, and the version of each alias."""

    versions: dict[int, str]
    aliases: dict[str, int]

    @cached_property
    def newest(self) -> int | None:
        """The highest version that there is."""
        return max(self.versions, default=None)


def records(session: Session, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ModelRecord]:
    """What serving needs to know of these models (project and name), in one query.

    Those that are unknown or have no version are left out.
    """
    return _records(session, tuple_(ModelRow.project, ModelRow.name).in_(names))


def of_project(session: Session, project: str) -> dict[str, ModelRecord]:
    """All models of a project that have a version, by name, in one query."""
    return {name: record for (_, name), record in sorted(_records(session, ModelRow.project == project).items())}


def names(session: Session, project: str, most: int) -> list[str]:
    """The names of a project's models that have a version, `most` of them at the most."""
    has_version = select(VersionRow.version).where(VersionRow.model_id == ModelRow.id).exists()
    query = select(ModelRow.name).where(ModelRow.project == project, has_version).order_by(ModelRow.name).limit(most)
    return list(session.scalars(query))


def _records(session: Session, chosen: ColumnElement[bool]) -> dict[tuple[str, str], ModelRecord]:
    query = (
        select(ModelRow.project, ModelRow.name, VersionRow.version, VersionRow.run_id, AliasRow.alias)
        .join(VersionRow, VersionRow.model_id == ModelRow.id)
        .outerjoin(AliasRow, (AliasRow.model_id == ModelRow.id) & (AliasRow.version == VersionRow.version))
        .where(chosen)
    )
    found: dict[tuple[str, str], ModelRecord] = {}
    for project, name, number, run_id, alias in session.execute(query):
        record = found.setdefault((project, name), ModelRecord({}, {}))
        record.versions[number] = run_id
        if alias is not None:
            record.aliases[alias] = number
    return found

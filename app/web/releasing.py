"""Moving an alias: the new version is compared with the one that is named before anybody is served by it.

Neither a transaction nor the event loop waits for the comparison, and the move never does where that could take long:
whoever has to go back is not kept waiting.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from app.errors import Conflict, Invalid, Unavailable
from app.serving.catalogue import Served
from app.serving.comparing import Compared, NotCompared, compare_versions
from app.storage import models
from app.web.context import Context
from app.web.release_views import MovedAliasView, model_view, moved_view
from app.web.schemas import AliasRequest

FIRST = NotCompared("first_time", "the alias named no version before")
SAME = NotCompared("same_version", "the alias names this version already")
MOVED = NotCompared("alias_moved", "somebody else moved the alias during the comparison, which so was with another one")


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias of a model, whatever it names."""

    project: str
    model: str
    name: str


async def move(parts: Context, alias: Alias, wanted: AliasRequest) -> MovedAliasView:
    """Compares, then moves. Raises `NotFound`, and `Conflict` where the version is worse and that was to matter."""
    before = await asyncio.to_thread(_named, parts, alias, wanted.version)
    found = await _compared(parts, alias, before, wanted)
    if wanted.only_if_not_worse:
        _refuse_worse(found, before, wanted.version)
    return await asyncio.to_thread(_moved, parts, alias, wanted, before, found)


def served_by(parts: Context, project: str, name: str, version: int | None, alias: str | None) -> Served:
    """What answers for a model: of a version, of an alias, or as `/predict` does. Asks the database.

    Raises `NotFound`, and `Invalid` where both a version and an alias are named.
    """
    if version is not None and alias is not None:
        raise Invalid("give a version or an alias, not both", code="version_and_alias")
    return parts.catalogue.learn(project, name, version=version, alias=alias)


def _named(parts: Context, alias: Alias, number: int) -> int | None:
    """The version that the alias names now, once it is known that there is one to move it to."""
    with parts.database.read() as session:
        model = models.present(session, alias.project, alias.model)
        models.version(session, model, number)
        return models.aliases(session, model).get(alias.name)


async def _compared(parts: Context, alias: Alias, before: int | None, wanted: AliasRequest) -> Compared | NotCompared:
    if before is None:
        return FIRST
    if before == wanted.version:
        return SAME
    try:
        return await parts.judging.run(partial(_compare, parts, alias, before, wanted.version))
    except Unavailable as busy:
        if wanted.only_if_not_worse:
            raise
        return NotCompared(busy.code, busy.detail)


def _compare(parts: Context, alias: Alias, before: int, after: int) -> Compared | NotCompared:
    first, second = (parts.catalogue.learn(alias.project, alias.model, version=number) for number in (before, after))
    return compare_versions(parts.database, parts.blobs, parts.registry, first, second)


def _refuse_worse(found: Compared | NotCompared, before: int | None, after: int) -> None:
    if isinstance(found, NotCompared) or found.comparison.verdict != "worse":
        return
    result = found.comparison
    name = "accuracy" if "accuracy" in result.metrics else "mean_absolute_error"
    first, second = result.metrics[name]
    raise Conflict(
        f"version {after} is worse than version {before}, which the alias names: {name} {second:.6g} against "
        f"{first:.6g} on {result.rows} rows that neither was trained on ({result.test.name}, p = "
        f"{result.test.p_value:.2g}); the alias stays",
        code="comparison_worse",
    )


def _moved(
    parts: Context, alias: Alias, wanted: AliasRequest, compared_with: int | None, found: Compared | NotCompared
) -> MovedAliasView:
    with parts.database.write() as session:
        model = models.present(session, alias.project, alias.model)
        previous = models.set_alias(session, model, alias.name, wanted.version)
        if previous != compared_with:
            if wanted.only_if_not_worse:
                raise Conflict("the alias was moved by somebody else meanwhile; try again", code="alias_moved")
            found = MOVED
        session.flush()
        view = model_view(session, model)
    parts.catalogue.refresh(alias.project, alias.model)
    return moved_view(view, previous, found, wanted.version)

"""`/models/{name}/aliases` and `/models/{name}/evaluate`: which version serves, and how good one is."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Path

from app.serving.evaluating import evaluate
from app.storage import models
from app.web.context import Context
from app.web.dependencies import Parts, Project
from app.web.problems import problems
from app.web.release_examples import ALIAS, EVALUATE, EVALUATION, MOVED
from app.web.release_views import AliasName, EvaluateRequest, EvaluationView, MovedAliasView
from app.web.releasing import Alias, move, served_by
from app.web.schemas import AliasRequest
from app.web.strict_json import StrictRoute

router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)
AliasInPath = Annotated[AliasName, Path()]
AliasBody = Annotated[AliasRequest, Body(openapi_examples={"first": {"value": ALIAS}})]
EvaluateBody = Annotated[EvaluateRequest, Body(openapi_examples={"flowers": {"value": EVALUATE}})]


@router.put(
    "/{name}/aliases/{alias}",
    summary="Set or move an alias",
    responses=problems(400, 404, 409, 413, 415, 422, 503, example=MOVED),
)
async def set_alias(name: str, alias: AliasInPath, wanted: AliasBody, parts: Parts, project: Project) -> MovedAliasView:
    """The alias `serving` is what `/predict` answers with; without it the newest version answers.

    Before an alias moves, the new version is compared with the one that it names, on rows that neither was trained on:
    `comparison`, or null with the `reason`. With `only_if_not_worse` a version that is shown to be worse is refused
    (409 `comparison_worse`), and the alias stays. To move back, set the alias to `previous`.
    """
    return await move(parts, Alias(project, name, alias), wanted)


@router.delete("/{name}/aliases/{alias}", status_code=204, summary="Delete an alias", responses=problems(404, 422))
def delete_alias(name: str, alias: AliasInPath, parts: Parts, project: Project) -> None:
    with parts.database.write() as session:
        models.remove_alias(session, models.get(session, project, name), alias)
    parts.catalogue.refresh(project, name)


@router.post(
    "/{name}/evaluate",
    summary="Evaluate a version on a dataset",
    responses=problems(400, 404, 413, 415, 422, 503, example=EVALUATION),
)
async def evaluate_model(name: str, wanted: EvaluateBody, parts: Parts, project: Project) -> EvaluationView:
    """All rows of a stored dataset that has the model's columns and target; the scores are those of a run's result.

    Rows whose target is missing were left out when the dataset was read. A class that the model does not know is
    refused (422 `class_unknown`), and so are more rows than can be answered within some seconds
    (413 `evaluation_too_large`).
    """
    return await parts.judging.run(partial(_evaluated, parts, project, name, wanted))


def _evaluated(parts: Context, project: str, name: str, wanted: EvaluateRequest) -> EvaluationView:
    served = served_by(parts, project, name, wanted.version, wanted.alias)
    found = evaluate(parts.database, parts.blobs, parts.registry, served, wanted.dataset)
    assert served.version is not None
    return EvaluationView(
        model=name,
        version=served.version,
        run=served.run_id,
        dataset=wanted.dataset,
        rows=found.rows,
        evaluation=found.evaluation,
    )

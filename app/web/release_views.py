"""What is answered about releases: models, an alias that moved with its comparison, and evaluations."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.domain.strict import Strict
from app.serving.comparing import Compared, NotCompared
from app.storage import models
from app.storage.database import Session
from app.storage.model_tables import ModelRow
from app.web.moments import moment
from app.web.schemas import ModelView, VersionNumber, VersionView, View

AliasName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class PairView(View):
    """A metric of the version that the alias named, and of the new one."""

    before: float = Field(alias="from")
    after: float = Field(alias="to")
    difference: float


class PairedTestView(View):
    """`better_from`: rows that the former version alone has right, or is nearer to; `better_to`: the new one."""

    name: str
    p_value: float
    better_from: int
    better_to: int


class ComparisonView(View):
    """The new version (`to`) beside the one that the alias named (`from`), on `rows` that neither was trained on.

    `on` says how the rows were chosen. `agreement` is the share of rows with the same label, for numbers
    `mean_absolute_difference` stands in its place. `verdict` is on the new version, by the paired test at 0.05.
    """

    before: int = Field(alias="from")
    after: int = Field(alias="to")
    rows: int
    datasets: dict[str, int]
    on: str
    metrics: dict[str, PairView]
    agreement: float | None
    mean_absolute_difference: float | None
    test: PairedTestView
    verdict: Literal["better", "worse", "no_difference_shown"]


class ReasonView(View):
    """Why nothing was compared."""

    code: str
    message: str


class MovedAliasView(ModelView):
    """The model as it is now. `previous`: what the alias named before, to which it can be moved back."""

    previous: int | None
    comparison: ComparisonView | None
    reason: ReasonView | None


class EvaluateRequest(Strict):
    """Of `version`, or what `alias` names; else of the version that `/predict` answers with."""

    dataset: Annotated[str, Field(min_length=1, max_length=100)]
    version: VersionNumber | None = None
    alias: AliasName | None = None


class EvaluationView(View):
    model: str
    version: int
    run: str
    dataset: str
    rows: int
    evaluation: dict[str, Any]


def version_view(number: int, run_id: str, created_at: float, aliases: dict[str, int]) -> VersionView:
    named = [alias for alias, target in aliases.items() if target == number]
    return VersionView(version=number, run=run_id, aliases=named, created_at=moment(created_at))


def model_view(session: Session, model: ModelRow) -> ModelView:
    """A model with its versions, newest first, and what its aliases name."""
    aliases = models.aliases(session, model)
    rows = models.versions(session, model)
    return ModelView(
        name=model.name,
        versions=[version_view(row.version, row.run_id, row.created_at, aliases) for row in rows],
        aliases=aliases,
        serving=aliases.get("serving", rows[0].version if rows else None),
        created_at=moment(model.created_at),
    )


def moved_view(model: ModelView, previous: int | None, found: Compared | NotCompared, number: int) -> MovedAliasView:
    """The model with its alias moved from `previous` to `number`, and the comparison, or why there is none."""
    common = {**dict(model), "previous": previous}
    if isinstance(found, NotCompared):
        return MovedAliasView(**common, comparison=None, reason=ReasonView(code=found.code, message=found.message))
    return MovedAliasView(**common, comparison=comparison_view(found, previous or 0, number), reason=None)


def comparison_view(found: Compared, before: int, after: int) -> ComparisonView:
    """The comparison of versions `before` and `after`, as it is answered."""
    result = found.comparison
    pairs = {
        name: {"from": first, "to": second, "difference": second - first}
        for name, (first, second) in result.metrics.items()
    }
    return ComparisonView.model_validate(
        {
            "from": before,
            "to": after,
            "rows": result.rows,
            "datasets": found.datasets,
            "on": found.on,
            "metrics": pairs,
            "agreement": result.agreement,
            "mean_absolute_difference": result.mean_absolute_difference,
            "test": {
                "name": result.test.name,
                "p_value": result.test.p_value,
                "better_from": result.test.first,
                "better_to": result.test.second,
            },
            "verdict": result.verdict,
        }
    )

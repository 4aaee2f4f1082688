"""The bodies that are answered and sent: views of rows, and requests. The wire is thin: nothing is decided here."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from app.domain.data.schema import ColumnType
from app.domain.data.schema import Warning as DatasetWarning
from app.domain.network.shapes import LayerSummary
from app.domain.network.spec import NetworkSpec
from app.domain.plan.findings import Finding
from app.domain.plan.settings import TrainingSettings
from app.domain.strict import Strict, few_enough

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
TagName = Annotated[str, Field(min_length=1, max_length=100)]
Tags = Annotated[tuple[TagName, ...], Field(strict=False, max_length=20), few_enough(20)]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Item = TypeVar("Item")


class View(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PageView(View, Generic[Item]):
    """A page of a list, newest first; `next` is the cursor of the next page."""

    items: list[Item]
    next: str | None


class ClassView(View):
    label: str
    count: int


class TargetView(View):
    name: str
    classes: list[ClassView] | None
    minimum: float | None
    maximum: float | None
    mean: float | None


class FeatureView(View):
    """`minimum` and `maximum` of a date are RFC 3339 texts."""

    name: str
    type: ColumnType
    missing: int
    minimum: float | str | None
    maximum: float | str | None
    mean: float | str | None
    categories: list[str] | None


class DatasetView(View):
    id: str
    name: str
    kind: str
    sha256: str
    bytes: int
    rows: int
    task: str
    target: TargetView
    features: list[FeatureView]
    warnings: list[DatasetWarning]
    created_at: str


class RowsView(View):
    """The first rows as they were read; a picture is shown by its size."""

    rows: list[dict[str, str | float | bool | None]]


class NetworkView(View):
    id: str
    name: str
    input_shape: list[int] | None
    layers: list[dict[str, Any]]
    summary: list[LayerSummary]
    parameters: dict[str, int] | None
    findings: list[Finding]
    created_at: str


class NetworkCheckView(View):
    input_shape: list[int] | None
    layers: list[dict[str, Any]]
    summary: list[LayerSummary]
    parameters: dict[str, int] | None
    findings: list[Finding]


class RunRequest(Strict):
    """`network` is the id of a stored one, or a whole network in place.

    Runs of a higher `priority` are taken first, and equal ones in the order in which they were submitted.
    """

    dataset: Annotated[str, Field(min_length=1, max_length=100)]
    network: Annotated[
        Annotated[str, Field(min_length=1, max_length=100), Tag("id")] | Annotated[NetworkSpec, Tag("spec")],
        Discriminator(lambda value: "id" if isinstance(value, str) else "spec"),
    ]
    model: ModelName | None = None
    training: TrainingSettings = TrainingSettings()
    tags: Tags = ()
    priority: Annotated[int, Field(ge=-100, le=100)] = 0


class RunErrorView(View):
    code: str
    message: str | None


class RunView(View):
    id: str
    status: Status
    priority: int
    attempt: int
    resumed_from: str | None
    dataset: str
    network: dict[str, Any]
    model: str
    training: dict[str, Any]
    progress: dict[str, Any] | None
    metrics: dict[str, Any] | None
    error: RunErrorView | None
    result: dict[str, Any] | None
    environment: dict[str, Any] | None
    tags: list[str]
    created_at: str
    started_at: str | None
    finished_at: str | None


class RunCheckView(View):
    """What a run would do."""

    rows: dict[str, int]
    input_shape: list[int]
    steps_per_epoch: int
    batch_size: int
    last_batch: dict[str, int | str]
    parameters: dict[str, int]
    memory_bytes: int
    summary: list[LayerSummary]
    findings: list[Finding]
    notes: list[str]


class EpochsView(View):
    epochs: list[dict[str, Any]]


class VersionView(View):
    version: int
    run: str
    aliases: list[str]
    created_at: str


class ModelView(View):
    name: str
    versions: list[VersionView]
    aliases: dict[str, int]
    serving: int | None
    created_at: str


class AliasRequest(Strict):
    """`only_if_not_worse`: the alias stays where it is if the version is shown to be worse than the one it names."""

    version: VersionNumber
    only_if_not_worse: bool = False


class ProblemField(View):
    pointer: str
    message: str
    received: str | None


class Problem(View):
    """RFC 9457. `code` is a stable word that a program can branch on."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField]

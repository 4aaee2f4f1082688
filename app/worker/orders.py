"""What a trainer is told of the job it is to compute: everything, so that it needs no database."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter

from app.domain.data.schema import DatasetSchema, Frozen
from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.errors import NotFound
from app.serving.registry import FROZEN, PREPROCESSING
from app.storage import batch_predictions, checkpoints, datasets, models, runs
from app.storage.blobs import StoredFile
from app.storage.database import Session
from app.storage.jobs import Claim
from app.storage.tables import DatasetRow


class StoredColumns(Frozen):
    """A dataset as the trainer opens it: its schema, and the files with their size and digest by key."""

    dataset_schema: dict[str, Any]
    files: dict[str, list[int | str]]


class StoredCheckpoint(Frozen):
    """A state to go on from; `inherited`: it is another run's."""

    key: str
    bytes: int
    sha256: str
    inherited: bool


class Order(Frozen):
    """One attempt of a run. Files go to `folder`, which no other attempt writes to.

    It goes on from the first of `checkpoints`, newest first, that can be read. `resumed`: it may not do without.
    """

    kind: Literal["run"] = "run"
    data_dir: str
    folder: str
    network: dict[str, Any]
    training: dict[str, Any]
    data: StoredColumns
    validation: StoredColumns | None = None
    checkpoints: tuple[StoredCheckpoint, ...] = ()
    checkpoint_seconds: float = 5.0
    resumed: bool = False
    new_horizon: bool = False

    @property
    def run_id(self) -> str:
        return self.folder.split("/")[1]

    @property
    def spec(self) -> NetworkSpec:
        return NetworkSpec.model_validate(self.network)

    @property
    def settings(self) -> TrainingSettings:
        return TrainingSettings.model_validate(self.training)


class StoredArtifact(Frozen):
    """A published file of a run."""

    key: str
    bytes: int
    sha256: str


class BatchOrder(Frozen):
    """One attempt of a batch prediction: the rows of `data`, answered by the files of the run `run_id`.

    The answers go to `folder`, which no other attempt writes to.
    """

    kind: Literal["batch_prediction"] = "batch_prediction"
    data_dir: str
    folder: str
    run_id: str
    preprocessing: StoredArtifact
    frozen: StoredArtifact
    data: StoredColumns
    format: Literal["csv", "parquet"]
    probabilities: bool
    calibrated: bool


AnyOrder = Order | BatchOrder
_ORDERS: TypeAdapter[AnyOrder] = TypeAdapter(Annotated[AnyOrder, Discriminator("kind")])


def read_order(document: object) -> AnyOrder:
    """The inverse of an order's `model_dump`."""
    return _ORDERS.validate_python(document)


def order_for(session: Session, held: Claim, data_dir: str, checkpoint_seconds: float) -> Order:
    """The order for the run of a claimed job."""
    run = runs.of_job(session, held.job_id)
    other = run.validation_dataset_id
    return Order(
        data_dir=data_dir,
        folder=f"runs/{run.id}/attempt-{held.attempt}",
        network=run.network,
        training=run.training,
        data=_columns(datasets.get(session, run.project, run.dataset_id)),
        validation=_columns(datasets.get(session, run.project, other)) if other else None,
        checkpoints=tuple(
            StoredCheckpoint(key=row.key, bytes=row.bytes, sha256=row.sha256, inherited=row.attempt == 0)
            for row in checkpoints.of_run(session, run.id)
        ),
        checkpoint_seconds=checkpoint_seconds,
        resumed=run.resumed_from is not None,
        new_horizon=run.new_horizon,
    )


def batch_order_for(session: Session, held: Claim, data_dir: str, checkpoint_seconds: float) -> BatchOrder:
    """The order for the batch prediction of a claimed job; it has no checkpoints."""
    wanted = batch_predictions.of_job(session, held.job_id)
    files = models.artifacts(session, wanted.project, wanted.run_id)
    return BatchOrder(
        data_dir=data_dir,
        folder=f"jobs/{held.job_id}/attempt-{held.attempt}",
        run_id=wanted.run_id,
        preprocessing=_artifact(files, PREPROCESSING),
        frozen=_artifact(files, FROZEN),
        data=_columns(datasets.get(session, wanted.project, wanted.dataset_id)),
        format=wanted.format,
        **wanted.options,
    )


def _artifact(files: dict[str, StoredFile], name: str) -> StoredArtifact:
    if name not in files:
        raise NotFound("the run is gone, or has no model", code="run_without_model")
    return StoredArtifact(key=files[name].key, bytes=files[name].bytes, sha256=files[name].sha256)


def _columns(row: DatasetRow) -> StoredColumns:
    return StoredColumns(dataset_schema=row.schema, files=row.files)


def schema_of(stored: StoredColumns) -> DatasetSchema:
    return DatasetSchema.model_validate(stored.dataset_schema)

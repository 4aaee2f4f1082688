"""The bodies of batch predictions: what is asked for, and the jobs that are answered."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.domain.strict import Strict
from app.storage.job_tables import BatchPredictionRow
from app.web.moments import moment, moment_or_none
from app.web.release_views import AliasName
from app.web.schemas import RunErrorView, Status, VersionNumber, View

Kind = Literal["batch_prediction"]
Format = Literal["csv", "parquet"]


class BatchOptions(Strict):
    """How answers are to be given, as in a prediction."""

    probabilities: bool = True
    calibrated: bool = True


class BatchRequest(Strict):
    """Of `version`, or what `alias` names; else of the version that `/predict` answers with."""

    dataset: Annotated[str, Field(min_length=1, max_length=100)]
    format: Format = "csv"
    version: VersionNumber | None = None
    alias: AliasName | None = None
    options: BatchOptions = BatchOptions()


class JobResultView(View):
    """The file with the answers: where it is downloaded, and what it must be then."""

    rows: int
    bytes: int
    sha256: str
    url: str


class JobView(View):
    """`model` and `version` are what was asked for, `run` is what they stood for then and what answers."""

    id: str
    kind: Kind
    status: Status
    attempt: int
    model: str
    version: int
    run: str
    dataset: str
    format: Format
    options: dict[str, bool]
    progress: dict[str, Any] | None
    error: RunErrorView | None
    result: JobResultView | None
    created_at: str
    started_at: str | None
    finished_at: str | None


def job_view(row: BatchPredictionRow) -> JobView:
    """A batch prediction: what was asked, how far it is, and what came of it."""
    job = row.job
    return JobView.model_validate(
        {
            "id": row.job_id,
            "kind": "batch_prediction",
            "status": job.status,
            "attempt": job.attempt,
            "model": row.model,
            "version": row.version,
            "run": row.run_id,
            "dataset": row.dataset_id,
            "format": row.format,
            "options": row.options,
            "progress": row.progress,
            "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
            "result": _result(row),
            "created_at": moment(row.created_at),
            "started_at": moment_or_none(job.started_at),
            "finished_at": moment_or_none(job.finished_at),
        }
    )


def _result(row: BatchPredictionRow) -> dict[str, Any] | None:
    if row.key is None:
        return None
    url = f"/api/v1/jobs/{row.job_id}/result"
    return {"rows": row.rows, "bytes": row.bytes, "sha256": row.sha256, "url": url}

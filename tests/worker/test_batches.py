"""Batch predictions: what the frozen network answers to each row, in order, once, whoever is killed on the way."""

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from app.domain.data.preprocessing import Preprocessing
from app.domain.data.stored import encode_columns
from app.domain.task import Task
from app.errors import InvalidDataset
from app.serving import stored_answers
from app.storage import batch_predictions, jobs
from app.storage.blobs import StoredFile
from app.storage.installation import adopt
from app.storage.sweep import sweep
from app.worker.attempt import Stopped
from app.worker.batch import BatchAttempt
from app.worker.kinds import KINDS
from tests.worker.answering import Answering
from tests.worker.attempts import Said, StopAt
from tests.worker.conftest import flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace

HURRIED: dict[str, Any] = {"lease_seconds": "2"}


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    place = Workplace(tmp_path_factory.mktemp("answering"))
    yield Answering(place, flowers())
    place.database.close()


@pytest.fixture
def quiet_answering(quiet_place: Workplace) -> Answering:
    """A workplace of the test's own, with a run that can answer."""
    return Answering(quiet_place, flowers())


def cells(content: bytes) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    return header, rows


def attempted(answering: Answering, format_: str = "csv", **options: bool) -> bytes:
    """The bytes that an attempt in this process publishes; its job is cancelled behind it."""
    job_id = answering.submit(format_, **options)
    wanted, said = answering.order(job_id), Said()
    done = BatchAttempt(wanted, said, threading.Event()).run()
    answering.place.cancel_job(job_id)
    assert done["result"]["rows"] == answering.columns.schema.rows
    assert done["result"]["progress"]["fraction"] == 1.0
    [file] = done["files"].values()
    return answering.place.blobs.read(StoredFile(**file))


def test_a_worker_knows_each_kind_that_it_claims() -> None:
    assert set(KINDS) == set(jobs.KINDS)


def test_a_row_of_csv_is_the_frozen_networks_answer_to_that_row(answering: Answering) -> None:
    header, rows = cells(attempted(answering))
    assert header == ["label", "probability", "probability_iris", "probability_rose", "probability_tulip"]
    values = answering.values()
    assert np.array([row[2:] for row in rows], np.float32).tobytes() == values.tobytes()
    assert [row[0] for row in rows] == [("iris", "rose", "tulip")[index] for index in values.argmax(axis=1)]
    assert cells(attempted(answering, probabilities=False)) == (header[:2], [row[:2] for row in rows])


def test_parquet_holds_the_same_bits(answering: Answering) -> None:
    table = parquet.read_table(io.BytesIO(attempted(answering, "parquet")))
    classes = [table.column(f"probability_{label}").to_numpy() for label in ("iris", "rose", "tulip")]
    assert np.stack(classes, axis=1).tobytes() == answering.values().tobytes()
    assert table.column("label").to_pylist() == [row[0] for row in cells(attempted(answering))[1]]


def test_the_bytes_do_not_depend_on_the_blocks(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attempted(answering)
    for size in (1, 7, 300):
        monkeypatch.setattr(stored_answers, "MOST_BLOCK_ROWS", size)
        assert attempted(answering) == whole


def test_an_attempt_that_is_stopped_leaves_no_file(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_answers, "MOST_BLOCK_ROWS", 16)
    for asked in (1, 2, 19):
        job_id = answering.submit()
        wanted = answering.order(job_id)
        with pytest.raises(Stopped):
            BatchAttempt(wanted, Said(), StopAt(asked)).run()
        assert list((answering.place.data_dir / "jobs" / job_id).rglob("*.csv")) == []
        answering.place.cancel_job(job_id)


def test_a_column_may_be_the_datasets_own_target(answering: Answering) -> None:
    schema = answering.columns.schema
    [petal, *others] = schema.features
    turned = schema.model_copy(update={"features": (*others,), "target": petal, "task": Task.REGRESSION})
    rows = np.arange(9)
    fitted = Preprocessing.read(answering.place.blobs.read(answering.files["preprocessing.json"]))
    expected = encode_columns(fitted, answering.columns, rows)
    assert np.array_equal(encode_columns(fitted, replace(answering.columns, schema=turned), rows), expected)
    lacking = schema.model_copy(update={"features": (*others,)})
    with pytest.raises(InvalidDataset, match="petal"):
        encode_columns(fitted, replace(answering.columns, schema=lacking), rows)


@pytest.mark.parametrize(("point", "part"), [("file-within", "predictions"), ("end-within", "job_")])
def test_whoever_is_killed_in_the_middle_it_ends_once_and_right(
    quiet_answering: Answering, answering: Answering, tmp_path: Path, point: str, part: str
) -> None:
    """The trainer, with half a file written, or the worker, with an end that is not committed."""
    place, marker = quiet_answering.place, tmp_path / "died"
    job_id = quiet_answering.submit()
    with WorkerProcess(place, f"{point}:{part}:{marker}", **HURRIED) as armed, ExitStack() as others:
        until(marker.exists, 60)
        if point == "end-within":
            armed.process.wait(30)
            others.enter_context(WorkerProcess(place, **HURRIED))
        row = quiet_answering.ended(job_id)
    assert (row.job.status, row.job.attempt, row.job.crashes) == ("succeeded", 2, 1)
    file = batch_predictions.file_of(row)
    assert file.key == f"jobs/{job_id}/attempt-2/predictions.csv"
    assert place.blobs.read(file) == attempted(answering)
    assert (row.rows, row.progress and row.progress["fraction"]) == (302, 1.0)
    adopt(place.database, place.blobs)
    sweep(place.database, place.blobs, 0.0)
    left = [path.relative_to(place.data_dir) for path in (place.data_dir / "jobs").rglob("*") if path.is_file()]
    assert [path.as_posix() for path in left] == [file.key]

"""A database with rows in every table goes from 0001 to the head and back; what cannot go is told, and stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import MetaData, delete, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from app.errors import Conflict
from app.storage import migrations
from app.storage.database import Database
from app.storage.job_tables import BatchPredictionRow
from app.storage.revision import is_current
from app.storage.tables import DatasetRow, EventRow, JobRow, RunRow
from tests.storage.servers import Databases

Row = dict[str, Any]

OF_PROJECT: Row = {"project": "default"}
FILES = {"datasets/a/numbers.bin": [16, "0" * 64], "datasets/a/pixels.bin": [1 << 40, "1" * 64]}
JOB: Row = {
    **OF_PROJECT,
    "kind": "run",
    "priority": 3,
    "attempt": 2,
    "crashes": 1,
    "max_crashes": 3,
    "run_after": 1.5,
    "created_at": 1_763_800_000.123456,
}
DATASET: Row = {**OF_PROJECT, "name": "penguins", "sha256": "5" * 64, "bytes": 7, "schema": {"rows": 2}}
RUN: Row = {**OF_PROJECT, "network": {"layers": []}, "model": "palmer", "training": {"epochs": 3}, "created_at": 2.5}
ROWS: dict[str, list[Row]] = {
    "datasets": [
        {**DATASET, "id": "ds_a", "content": "a" * 64, "folder": "datasets/a", "files": FILES, "created_at": 1.0},
        {**DATASET, "id": "ds_b", "content": "b" * 64, "folder": "datasets/b", "files": {}, "created_at": 2.0},
    ],
    "idempotency_keys": [
        {**OF_PROJECT, "key": "k", "digest": "d" * 64, "status": 201, "location": "/x", "answer": {}, "created_at": 1.0}
    ],
    "jobs": [
        {**JOB, "id": "job_queued", "status": "queued", "cancel_requested_at": 9.0},
        {**JOB, "id": "job_running", "status": "running", "worker_id": "one", "lease_until": 5.5, "started_at": 4.5},
        {**JOB, "id": "job_succeeded", "status": "succeeded", "worker_id": "one", "finished_at": 8.0},
        {
            **JOB,
            "id": "job_failed",
            "status": "failed",
            "error_code": "diverged",
            "error_message": "m",
            "finished_at": 8.0,
        },
        {**JOB, "id": "job_cancelled", "status": "cancelled", "finished_at": 8.0},
    ],
    "models": [{**OF_PROJECT, "id": "model_a", "name": "palmer", "versions_made": 4, "created_at": 3.0}],
    "networks": [{**OF_PROJECT, "id": "net_a", "name": "article", "spec": {"layers": []}, "created_at": 3.0}],
    "workers": [{**OF_PROJECT, "id": "one", "seen_at": 3.0}],
    "aliases": [{**OF_PROJECT, "model_id": "model_a", "alias": "serving", "version": 4}],
    "runs": [
        {**RUN, "id": "run_queued", "job_id": "job_queued", "dataset_id": "ds_a", "validation_dataset_id": "ds_b"},
        {**RUN, "id": "run_running", "job_id": "job_running", "dataset_id": "ds_a", "progress": {"epoch": 1}},
        {**RUN, "id": "run_succeeded", "job_id": "job_succeeded", "dataset_id": "ds_a", "result": {"version": 4}},
    ],
    "artifacts": [
        {**OF_PROJECT, "run_id": "run_succeeded", "name": "w", "key": "runs/w", "bytes": 1 << 40, "sha256": "0" * 64}
    ],
    "epochs": [{**OF_PROJECT, "run_id": "run_running", "epoch": 1, "attempt": 2, "report": {"loss": 0.1}}],
    "events": [
        {**OF_PROJECT, "id": 7, "run_id": "run_running", "seq": 1, "attempt": 2, "kind": "log", "data": {}, "at": 1.5}
    ],
    "run_tags": [{**OF_PROJECT, "run_id": "run_queued", "tag": "night"}],
    "versions": [{**OF_PROJECT, "model_id": "model_a", "version": 4, "run_id": "run_succeeded", "created_at": 3.0}],
}
NONSENSE: dict[str, tuple[str, Row]] = {
    "queued_is_nobodys": ("job_queued", {"worker_id": "one"}),
    "ended_is_not_leased": ("job_succeeded", {"lease_until": 1.0}),
    "failed_says_why": ("job_failed", {"error_code": None}),
    "counters_not_negative": ("job_queued", {"max_crashes": 0}),
}


def tables_of(database: Database) -> MetaData:
    """The tables as they are in the database now, whatever the code declares."""
    found = MetaData()
    found.reflect(database.engine)
    return found


def everything(database: Database) -> dict[str, list[Row]]:
    """All rows of all tables, in the order of their text."""
    with database.engine.connect() as connection:
        return {
            name: sorted((dict(row) for row in connection.execute(select(table)).mappings()), key=repr)
            for name, table in tables_of(database).tables.items()
        }


@pytest.fixture
def old(databases: Databases) -> Iterator[Database]:
    """A database at 0001 with rows in every table."""
    database = Database(databases.empty())
    migrations.upgrade(database, "0001")
    with database.write() as session:
        for table in tables_of(database).sorted_tables:
            for row in ROWS.get(table.name, []):
                session.execute(insert(table).values(row))
    yield database
    database.close()


def test_every_row_is_kept_on_the_way_up_and_on_the_way_down_again(old: Database) -> None:
    before = everything(old)
    assert before.keys() == {*ROWS, "alembic_version"}
    assert {name: len(rows) for name, rows in before.items() if name in ROWS} == {
        name: len(rows) for name, rows in ROWS.items()
    }
    migrations.upgrade(old)
    assert is_current(old)
    after = everything(old)
    for name in set(ROWS) - {"jobs", "datasets", "runs", "workers"}:
        assert after[name] == before[name], name
    nothing_done = {"epochs": 0, "training_rows": 0, "leases_lost": 0, "trainers_lost": 0}
    assert after["workers"] == [{**row, **nothing_done} for row in before["workers"]]
    gone = {"checkpoint_key": None, "checkpoint_sha256": None}
    assert sorted(({**row, **gone} for row in after["jobs"]), key=lambda row: row["id"]) == sorted(
        before["jobs"], key=lambda row: row["id"]
    )
    assert all(row.keys().isdisjoint(gone) for row in after["jobs"])
    migrations.downgrade(old, "0001")
    assert everything(old) == before


def test_what_a_dataset_takes_on_the_disk_is_measured(old: Database) -> None:
    migrations.upgrade(old)
    with old.read() as session:
        found = {row.id: row.stored_bytes for row in session.scalars(select(DatasetRow))}
    assert found == {"ds_a": 16 + (1 << 40), "ds_b": 0}


def test_the_rows_work_on_after_the_way_up(old: Database) -> None:
    migrations.upgrade(old)
    with old.write() as session:
        run = session.scalars(select(RunRow).where(RunRow.id == "run_running")).one()
        assert (run.new_horizon, run.job.status, run.job.worker_id) == (False, "running", "one")
        session.add(
            EventRow(run_id=run.id, seq=2, project="default", attempt=2, kind="log", data={"message": "on"}, at=2.0)
        )


def test_workers_of_the_version_before_write_on(old: Database) -> None:
    migrations.upgrade(old)
    with old.write() as session:
        session.execute(text("INSERT INTO workers (id, project, seen_at) VALUES ('of before', 'default', 1.5)"))
        assert session.scalar(text("SELECT epochs + leases_lost FROM workers WHERE id = 'of before'")) == 0


def test_references_are_enforced_on_the_same_database_after_each_way(old: Database) -> None:
    for way in (migrations.upgrade, lambda database: migrations.downgrade(database, "0001")):
        way(old)
        with pytest.raises(IntegrityError), old.write() as session:
            session.execute(delete(JobRow).where(JobRow.id == "job_running"))
        with old.read() as session:
            assert session.scalar(select(JobRow.status).where(JobRow.id == "job_running")) == "running"


def test_on_the_way_down_a_batch_prediction_takes_its_job_along(old: Database) -> None:
    before = everything(old)
    migrations.upgrade(old)
    with old.write() as session:
        session.add(JobRow(**{**JOB, "id": "job_batch", "kind": "batch_prediction", "status": "queued"}))
        session.flush()
        asked = {"model": "palmer", "version": 4, "run_id": "run_succeeded", "dataset_id": "ds_a", "format": "csv"}
        session.add(BatchPredictionRow(**OF_PROJECT, **asked, job_id="job_batch", options={}, created_at=1.0))
    migrations.downgrade(old, "0001")
    assert everything(old) == before


@pytest.mark.parametrize("check", NONSENSE)
def test_a_row_that_breaks_a_new_check_stops_the_way_up_by_name_and_nothing_changes(old: Database, check: str) -> None:
    job_id, changes = NONSENSE[check]
    with old.write() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**changes))
    before = everything(old)
    with pytest.raises(Conflict, match=rf"stays at 0001: .*: {job_id};") as caught:
        migrations.upgrade(old)
    assert caught.value.code == f"rows_break_{check}"
    assert everything(old) == before
    with old.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
    assert "checkpoints" not in inspect(old.engine).get_table_names()
    with pytest.raises(IntegrityError), old.write() as session:
        session.execute(delete(JobRow).where(JobRow.id == "job_running"))
    with old.write() as session:
        right = next(row for row in ROWS["jobs"] if row["id"] == job_id)
        session.execute(update(JobRow).where(JobRow.id == job_id).values({name: right.get(name) for name in changes}))
    migrations.upgrade(old)
    assert is_current(old)

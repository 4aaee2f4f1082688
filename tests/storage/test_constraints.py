"""Rows that somebody edits by hand into nonsense are refused by the database itself, each by the check that says so."""

from typing import Any

import pytest
from sqlalchemy import CheckConstraint, update
from sqlalchemy.exc import IntegrityError

from app.storage import jobs, records
from app.storage.base import Base
from app.storage.blobs import StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database
from app.storage.service_tables import InstallationRow, KeyRow
from app.storage.tables import CheckpointRow, JobRow
from tests.storage.rows import add_job, add_run, claim, job

Changes = dict[str, Any]

JOBS: dict[str, list[tuple[str, Changes]]] = {
    "ck_jobs_status_known": [("succeeded", {"status": "paused"}), ("succeeded", {"status": ""})],
    "ck_jobs_running_is_leased": [
        ("running", {"worker_id": None}),
        ("running", {"lease_until": None}),
        ("queued", {"status": "running"}),
    ],
    "ck_jobs_ended_is_dated": [
        ("succeeded", {"finished_at": None}),
        ("queued", {"status": "cancelled"}),
        ("queued", {"status": "succeeded"}),
    ],
    "ck_jobs_queued_is_nobodys": [
        ("queued", {"worker_id": "one"}),
        ("queued", {"lease_until": 1.0}),
        ("running", {"status": "queued"}),
    ],
    "ck_jobs_ended_is_not_leased": [
        ("succeeded", {"lease_until": 1.0}),
        ("running", {"status": "succeeded", "finished_at": 1.0}),
    ],
    "ck_jobs_failed_says_why": [("succeeded", {"status": "failed"}), ("failed", {"error_code": None})],
    "ck_jobs_counters_not_negative": [
        ("queued", {"attempt": -1}),
        ("running", {"crashes": -1}),
        ("queued", {"max_crashes": 0}),
        ("queued", {"max_crashes": -3}),
    ],
}
CHECKPOINTS: dict[str, list[Changes]] = {
    "ck_checkpoints_phase_known": [{"phase": "loading"}, {"phase": ""}],
    "ck_checkpoints_numbers_in_range": [
        {"number": 0},
        {"epoch": 0},
        {"step": -1},
        {"bytes": 0},
        {"bytes": -1},
    ],
}
JOB_CASES = [(check, status, changes) for check, cases in JOBS.items() for status, changes in cases]
CHECKPOINT_CASES = [(check, changes) for check, cases in CHECKPOINTS.items() for changes in cases]

ONE_FOLDER = "ck_installation_one_row"
SCOPES = "ck_keys_may_do_something"


def job_that_is(database: Database, status: str) -> str:
    """A job that came to `status` as jobs do."""
    job_id = add_job(database)
    if status != "queued":
        held = claim(database)
        if status != "running":
            with database.write() as session:
                jobs.finish(session, held, status, "diverged" if status == "failed" else None)
    return job_id


def said_of(row: JobRow | CheckpointRow) -> Changes:
    return {column.name: getattr(row, column.key) for column in row.__table__.columns}


@pytest.mark.parametrize(("check", "status", "changes"), JOB_CASES, ids=str)
def test_a_job_that_makes_no_sense_is_refused(database: Database, check: str, status: str, changes: Changes) -> None:
    job_id = job_that_is(database, status)
    before = said_of(job(database, job_id))
    with pytest.raises(IntegrityError, match=check), database.write() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**changes))
    assert said_of(job(database, job_id)) == before


@pytest.mark.parametrize(("check", "changes"), CHECKPOINT_CASES, ids=str)
def test_a_checkpoint_that_makes_no_sense_is_refused(database: Database, check: str, changes: Changes) -> None:
    run_id = add_run(database)
    with database.write() as session:
        held = jobs.claim(session, "worker")
        assert held is not None
        records.checkpoint(session, held, Checkpoint(StoredFile("runs/r/c", 7, "0" * 64), "training", 1, 0))
    with pytest.raises(IntegrityError, match=check), database.write() as session:
        session.execute(update(CheckpointRow).where(CheckpointRow.run_id == run_id).values(**changes))
    with database.read() as session:
        row = session.get(CheckpointRow, (run_id, 1))
        assert row is not None
        assert (row.phase, row.epoch, row.step, row.bytes) == ("training", 1, 0, 7)


@pytest.mark.parametrize("column", ["status", "attempt", "crashes", "run_after", "created_at", "project", "kind"])
def test_a_job_lacks_nothing_that_every_job_has(database: Database, column: str) -> None:
    job_id = add_job(database)
    with pytest.raises(IntegrityError, match=column), database.write() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values({column: None}))


def test_a_database_has_one_data_folder(database: Database) -> None:
    with pytest.raises(IntegrityError, match=ONE_FOLDER), database.write() as session:
        session.add(InstallationRow(place=2, id="installation_b", created_at=1.0))


def test_a_key_may_do_something(database: Database) -> None:
    row = KeyRow(id="key_a", project="p", name="n", scopes="", digest="d", hint="dn_", origin="made", created_at=1.0)
    with pytest.raises(IntegrityError, match=SCOPES), database.write() as session:
        session.add(row)


def test_every_check_of_every_table_is_tried_here() -> None:
    declared = {
        constraint.name
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert declared == JOBS.keys() | CHECKPOINTS.keys() | {ONE_FOLDER, SCOPES}

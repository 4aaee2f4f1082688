"""PostgreSQL: how long one process, or a server that says nothing, can keep everybody else waiting."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import psutil
import pytest
from sqlalchemy import select, text

from app.errors import Unavailable
from app.storage import jobs, migrations, quotas, runs
from app.storage.database import Database, now
from app.storage.patience import LIMITS, Limits
from tests.storage.rows import PROJECT, add_run, claim, expire, status_of, try_claim
from tests.storage.servers import PostgresqlServer

SHORT = Limits(lock=0.5, statement=5, idle=2, answer=8, connect=2)
STOPPED_INSIDE = """
import os, signal, sys
from app.storage import jobs
from app.storage.database import Database
from app.storage.jobs import Claim
from app.storage.patience import Limits
database = Database(sys.argv[1], Limits(idle=2))
with database.write() as session:
    jobs.heartbeat(session, Claim(sys.argv[2], "default", "run", 1, 0, 3))
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def address(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def short(postgresql_server: PostgresqlServer) -> Iterator[Database]:
    made = Database(postgresql_server.migrated(), SHORT)
    yield made
    made.close()


def test_a_run_whose_worker_is_stopped_inside_a_transaction_is_claimed_by_another(
    postgresql_database: Database,
) -> None:
    database = postgresql_database
    add_run(database)
    held = claim(database)
    expire(database, held.job_id)
    worker = subprocess.Popen([sys.executable, "-c", STOPPED_INSIDE, address(database), held.job_id])
    try:
        until_stopped(worker.pid)
        assert try_claim(database) is None, "the stopped worker does not hold the row, so nothing is shown"
        deadline = time.monotonic() + 30
        expired = None
        while expired is None and time.monotonic() < deadline:
            time.sleep(0.2)
            # What the stopped transaction renewed is undone with it, so the lease is over.
            expired = try_claim(database)
        assert expired is not None
        assert (expired.job_id, expired.attempt, expired.crashes) == (held.job_id, 2, 1)
    finally:
        worker.kill()
        worker.wait()


def test_a_cancel_of_a_run_that_somebody_holds_is_refused_soon_and_works_later(short: Database) -> None:
    run_id = add_run(short)
    held = claim(short)
    with closing(Database(address(short))) as other, other.write() as session:
        jobs.check_held(session, held)
        with pytest.raises(Unavailable) as refused, short.write() as mine:
            runs.cancel(mine, PROJECT, run_id)
        assert refused.value.code == "database_unavailable"
    with short.write() as session:
        assert runs.cancel(session, PROJECT, run_id).job.cancel_requested_at is not None


def test_a_submission_does_not_wait_for_ever_for_one_that_is_stopped(short: Database) -> None:
    def submit() -> None:
        with short.write() as session:
            quotas.hold(session, PROJECT)

    def be_stopped() -> None:
        with short.write() as session:
            quotas.hold(session, PROJECT)
            with pytest.raises(Unavailable):
                submit()
            time.sleep(SHORT.idle + 1)
            submit()
            session.scalar(select(now()))

    # Whoever was stopped learns that its transaction is gone.
    with pytest.raises(Unavailable):
        be_stopped()


def test_a_statement_that_takes_too_long_is_given_up(postgresql_server: PostgresqlServer) -> None:
    with closing(Database(postgresql_server.migrated(), Limits(statement=0.2))) as database:
        with pytest.raises(Unavailable), database.read() as session:
            session.execute(text("SELECT pg_sleep(60)"))
        with database.read() as session:
            assert session.scalar(select(now())) is not None


def test_a_migration_waits_for_another_longer_than_any_request_would(postgresql_server: PostgresqlServer) -> None:
    with closing(Database(postgresql_server.empty(), SHORT)) as database:
        other = Database(address(database))
        with closing(other), other.write() as first:
            first.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrations.LOCK})
            second = Thread(target=migrations.upgrade, args=(database,))
            second.start()
            second.join(SHORT.lock * 4)
            assert second.is_alive()
        second.join(60)
        add_run(database)


def test_what_the_address_says_of_a_limit_stands(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.empty() + "&options=-c%20lock_timeout%3D1234"
    with closing(Database(url)) as database, database.read() as session:
        assert session.scalar(text("SHOW lock_timeout")) == "1234ms"
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == f"{LIMITS.idle}s"


def test_a_server_that_holds_connections_and_says_nothing_is_unavailable_in_time(
    postgresql_server: PostgresqlServer,
) -> None:
    limits = Limits(answer=1, connect=2)
    with closing(Database(postgresql_server.migrated(), limits)) as known:
        run_id = add_run(known)
        strange = Database(known.engine.url, limits)
        with frozen(known), closing(strange):
            for database in (known, strange, known):
                begun = time.monotonic()
                with pytest.raises(Unavailable):
                    status_of(database, run_id)
                assert time.monotonic() - begun < 30
        assert status_of(known, run_id) == "queued"


@contextmanager
def frozen(database: Database) -> Iterator[None]:
    """The server of a database with all its processes, stopped until the block ends."""
    with database.read() as session:
        backend = psutil.Process(session.scalar(text("SELECT pg_backend_pid()")))
    postmaster = backend.parent()
    assert postmaster is not None
    processes = [postmaster, *postmaster.children(recursive=True)]
    try:
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 60
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, "it did not stop itself"
        time.sleep(0.02)

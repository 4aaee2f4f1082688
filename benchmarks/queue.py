"""The queue: how fast a job is claimed, and how long a worker idles while runs wait. `python -m benchmarks.queue`.

Claiming, on SQLite and PostgreSQL: with 10,000 ended and 200 queued jobs in the table, milliseconds to look whether
there is a job and to claim it, the commit included. Idling, on PostgreSQL: 200 tiny runs and 8 `dropnorm worker`
processes; the seconds between the end of a worker's run and the start of its next, as the rows say, while runs were
queued. Taking over: from the SIGKILL of a run's worker until the next attempt is recorded as running. `python -m
benchmarks.queue claims` measures the first alone.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, make_url, select

from app.storage import jobs
from app.storage.database import Database, now
from app.storage.tables import JobRow
from app.worker.watch import HEARTBEATS_A_LEASE
from tests.storage.servers import migrate, postgresql
from tests.worker.conftest import flowers
from tests.worker.processes import until
from tests.worker.workplace import WorkerProcess, Workplace

ENDED_JOBS, QUEUED_JOBS = 10_000, 200
RUNS, WORKERS = 200, 8
GIVE_UP_SECONDS = 480.0
TAKEOVERS, LEASE_SECONDS = 5, 6.0
TINY: dict[str, Any] = {"epochs": 1, "batch_size": 64}


def fill(database: Database) -> None:
    """A table as it is after a while: much that has ended, a little that waits."""
    moment = time.time()
    job = {"project": "default", "kind": "run", "run_after": moment - 10}
    ended = {"status": "succeeded", "attempt": 1, "worker_id": "one", "finished_at": moment}
    with database.write() as session:
        rows = [{**job, **ended, "id": f"ended_{n}", "created_at": moment - n} for n in range(ENDED_JOBS)]
        session.execute(insert(JobRow), rows)
        rows = [{**job, "id": f"queued_{n}", "priority": n % 3, "created_at": moment + n} for n in range(QUEUED_JOBS)]
        session.execute(insert(JobRow), rows)


def claims(database: Database) -> list[float]:
    """Seconds that each claim took, until nothing is left."""
    seconds = []
    for _ in range(QUEUED_JOBS):
        started = time.perf_counter()
        with database.read() as session:
            assert jobs.anything_to_claim(session)
        with database.write() as session:
            assert jobs.claim(session, "worker") is not None
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty PostgreSQL database that syncs what it commits."""
    with postgresql() as address:
        yield make_url(address).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def measure_claims(name: str, url: str) -> None:
    database = Database(migrate(url))
    fill(database)
    seconds = claims(database)
    database.close()
    median, slow = statistics.median(seconds) * 1e3, seconds[int(len(seconds) * 0.95)] * 1e3
    print(f"| {name} | {median:.1f} | {slow:.1f} |")


def work_off(place: Workplace) -> None:
    """Lets the workers get ready, queues the runs, and waits until all have ended."""
    dataset = place.add(flowers())
    with ExitStack() as stack:
        for _ in range(WORKERS):
            stack.enter_context(WorkerProcess(place))
        first = [place.submit(dataset, **TINY) for _ in range(WORKERS)]
        for run_id in first:
            place.ended(run_id, GIVE_UP_SECONDS)
        for _ in range(RUNS):
            place.submit(dataset, **TINY)
        give_up = time.monotonic() + GIVE_UP_SECONDS
        unended = select(func.count()).select_from(JobRow).where(JobRow.status.not_in(jobs.ENDED))
        while time.monotonic() < give_up:
            with place.database.read() as session:
                if not session.scalar(unended):
                    return
            time.sleep(0.5)
        raise SystemExit("the runs did not end in time")


def idle(rows: list[JobRow]) -> list[float]:
    """Seconds between a worker's run and its next, from the last submission to the last start: while runs waited."""
    first, last = max(row.created_at for row in rows), max(row.started_at or 0.0 for row in rows)
    found = []
    for name in {row.worker_id for row in rows}:
        mine = sorted((row.started_at or 0.0, row.finished_at or 0.0) for row in rows if row.worker_id == name)
        waits = [(end, start) for (_, end), (start, _) in pairwise(mine)]
        waits += [(mine[-1][1], last)] if mine[-1][1] < last else []
        found += [start - max(end, first) for end, start in waits if start > first]
    return sorted(found)


def measure_idling() -> None:
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as folder, server() as url:
        place = Workplace(Path(folder), url)
        work_off(place)
        with place.database.read() as session:
            rows = list(session.scalars(select(JobRow).order_by(JobRow.created_at)))[WORKERS:]
        place.database.close()
    assert all(row.status == "succeeded" and row.attempt == 1 for row in rows)
    waits = idle(rows)
    spent = max(row.finished_at or 0.0 for row in rows) - min(row.started_at or 0.0 for row in rows)
    print("| runs | workers that took some | seconds in all | idle between two: median, s | longest, s |")
    print("|--:|--:|--:|--:|--:|")
    workers = len({row.worker_id for row in rows})
    print(f"| {len(rows)} | {workers} | {spent:.0f} | {statistics.median(waits):.3f} | {waits[-1]:.2f} |")


def takeover(place: Workplace, dataset: str) -> float:
    """Seconds from the death of a run's worker until another has begun with it, by the database's clock."""
    run_id = place.submit(dataset, epochs=100_000)
    settings = {"lease_seconds": str(LEASE_SECONDS)}
    with WorkerProcess(place, "", None, **settings) as lost:
        place.in_the_middle(run_id)
        with WorkerProcess(place, "", None, **settings) as other:
            until(lambda: any("waiting" in " ".join(child.cmdline()) for child in other.children()) or None, 60)
            lost.process.kill()
            with place.database.read() as session:
                killed = session.scalar(select(now())) or 0.0
            until(lambda: place.run(run_id).job.attempt > 1 or None, 60)
            begun = until(lambda: [e for e in place.events(run_id) if e.data.get("attempt") == 2] or None, 60)
            place.cancel(run_id)
            place.ended(run_id)
    return begun[0].at - killed


def measure_takeovers() -> None:
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as folder:
        place = Workplace(Path(folder))
        dataset = place.add(flowers())
        seconds = sorted(takeover(place, dataset) for _ in range(TAKEOVERS))
        place.database.close()
    print("| lease, s | heartbeat, s | another worker has begun after: median, s | longest, s |")
    print("|--:|--:|--:|--:|")
    heartbeat = LEASE_SECONDS / HEARTBEATS_A_LEASE
    print(f"| {LEASE_SECONDS:g} | {heartbeat:g} | {statistics.median(seconds):.2f} | {seconds[-1]:.2f} |")


def main() -> None:
    print("| look and claim | median, ms | 95th percentile, ms |")
    print("|---|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as folder:
        measure_claims("SQLite", f"sqlite:///{Path(folder) / 'queue.db'}")
    with server() as url:
        measure_claims("PostgreSQL", url)
    if sys.argv[1:] != ["claims"]:
        print()
        measure_idling()
        print()
        measure_takeovers()


if __name__ == "__main__":
    main()

"""A thousand models and a cache of 64: memory of the API process, and how late a model answers that is not in memory.

`python -m benchmarks.many_models [models]`. The models are copies of three trained ones, tables and pictures in turn,
each with a run and files of its own. Every model is asked once, in order, so that with each round the cache has thrown
out whatever comes next; milliseconds on one connection, beside a model that is in memory. The first answer of the
process is not among them: it loads libraries.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import inspect, select
from sqlalchemy.orm import DeclarativeBase, Session

from app.storage import models
from app.storage.database import Database
from app.storage.identifiers import new_id
from app.storage.tables import ArtifactRow, RunRow
from benchmarks.servers.processes import Server, dropnorm
from benchmarks.serving_models import MODELS, train
from benchmarks.serving_workloads import Workload, workloads
from tests.service import Service

Row = TypeVar("Row", bound=DeclarativeBase)
COUNT, CACHED, ROUNDS = 1_000, 64, 3
BOUND_MILLISECONDS = 100.0
REST_SECONDS = 2.0


def copied(data: Path, count: int) -> None:
    """Registers `count` models, `row-0`, `mixed-1`, `picture-2` and so on, in the database of a stopped service."""
    database = Database(f"sqlite:///{data / 'dropnorm.db'}")
    with database.write() as session:
        trained = {run.model: run for run in session.scalars(select(RunRow))}
        for number in range(count):
            model = MODELS[number % len(MODELS)]
            run_id = _copied_run(session, trained[model], data)
            models.add_version(session, "default", f"{model}-{number}", run_id)
    database.close()


def _copied_run(session: Session, run: RunRow, data: Path) -> str:
    job, copy = _copied_row(run.job, id=new_id("job")), new_id("run")
    session.add(job)
    session.flush()
    session.add(_copied_row(run, id=copy, job_id=job.id))
    session.flush()
    for artifact in session.scalars(select(ArtifactRow).where(ArtifactRow.run_id == run.id)).all():
        key = artifact.key.replace(run.id, copy)
        (data / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / artifact.key, data / key)
        session.add(_copied_row(artifact, run_id=copy, key=key))
    session.flush()
    return copy


def _copied_row(row: Row, **changed: str) -> Row:
    columns = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    return type(row)(**columns | changed)


def asked(service: Service, names: Sequence[str], sent: dict[str, Workload]) -> list[float]:
    """Milliseconds of one prediction by each of these models, in order."""
    took = []
    for name in names:
        request = sent[name.partition("-")[0]].request
        path = f"/api/v1/models/{name}/predict"
        began = time.perf_counter()
        service.client.post(path, content=request.body, headers=request.headers).raise_for_status()
        took.append(1000 * (time.perf_counter() - began))
    return took


def line(what: str, took: Sequence[float], server: Server) -> str:
    percentile = statistics.quantiles(took, n=100)[-1]
    return f"| {what} | {statistics.median(took):.1f} | {percentile:.1f} | {max(took):.1f} | {server.megabytes():.0f} |"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    names = [f"{MODELS[number % len(MODELS)]}-{number}" for number in range(count)]
    sent = {work.name: work for work in workloads()}
    of_model = {"row": sent["row"], "mixed": sent["named"], "picture": sent["npy-float32"]}
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as temporary:
        folder = Path(temporary)
        with dropnorm(folder, None) as (service, _):
            train(service)
        copied(folder / "data", count)
        with dropnorm(folder, None, workers="0", model_cache=str(CACHED)) as (service, server):
            time.sleep(REST_SECONDS)
            print(f"{count} models, {CACHED} in memory; the API process has {server.megabytes():.0f} MB when idle.\n")
            asked(service, MODELS, of_model)
            print("| asked | median, ms | p99, ms | longest, ms | memory afterwards, MB |\n|---|--:|--:|--:|--:|")
            cold = []
            for number in range(ROUNDS):
                cold.append(asked(service, names, of_model))
                print(line(f"each of {count}, none in memory, round {number + 1}", cold[-1], server), flush=True)
            kept = names[-CACHED:]
            print(line(f"each of {CACHED} in memory", asked(service, kept * 10, of_model), server))
    longest = max(map(max, cold))
    held = "held" if longest < BOUND_MILLISECONDS else "missed"
    print(f"\nA cold model answers in less than {BOUND_MILLISECONDS:g} ms: {held}, the longest took {longest:.1f} ms.")


if __name__ == "__main__":
    main()

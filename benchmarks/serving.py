"""Predictions beside the least that an HTTP server costs in Python, and beside what users pick instead.

    python -m benchmarks.serving                         # some ten minutes
    python -m benchmarks.serving --quick --only row,jpeg # a minute or less

Our server runs as it is deployed, one process with keys, limits, figures and access log on. Beside it, in the same
rounds: a bare Starlette route that reads the body and answers with a constant, the yardstick; a raw ASGI callable that
does so; the FastAPI tutorial version. All of them under uvicorn with uvloop and httptools, on one core; the load comes
from another. Every answer must have the status 200, and one of each request is compared with what the model's files
answer in this process. CPU time is user and system time of the server's processes over the window, by request.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.servers.processes import Server, cores, dropnorm, uvicorn
from benchmarks.serving_load import Load
from benchmarks.serving_models import Reference, keep, train
from benchmarks.serving_report import YARDSTICK, bounds, machine, table
from benchmarks.serving_rounds import Found, Pace, answers, measured
from benchmarks.serving_workloads import Workload, workloads

QUICK, WHOLE = Pace(3, 0.7, 0.25), Pace(9, 2.0, 0.7)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="Measures predictions.")
    names = [workload.name for workload in workloads()]
    parser.add_argument("--quick", action="store_true", help="three short rounds, our server and the yardstick alone")
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, help="how many rounds instead")
    parser.add_argument("--folder", type=Path, help="where the trained models are kept for the next time")
    return parser.parse_args()


@contextmanager
def models(given: Path | None, core: int | None) -> Iterator[Path]:
    """A folder of data with the three models in it, trained where it has none yet."""
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as temporary:
        folder = given or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not keep(folder):
            with dropnorm(folder, core) as (service, _):
                train(service)
        yield folder


def beside(stack: ExitStack, core: int | None, *, quick: bool) -> list[Server]:
    """The servers that ours is compared with."""
    servers = [stack.enter_context(uvicorn(YARDSTICK, "constant:starlette", core, lambda work: "/predict"))]
    if not quick:
        servers.append(stack.enter_context(uvicorn("raw ASGI", "constant:raw", core, lambda work: "/predict")))
        servers.append(stack.enter_context(uvicorn("FastAPI tutorial", "tutorial:app", core, tutorial_path)))
    return servers


def tutorial_path(workload: Workload) -> str | None:
    return f"/{workload.shape}" if workload.shape else None


def compared(folder: Path, wanted: Sequence[Workload], pace: Pace, *, quick: bool) -> list[Found]:
    """All rounds of all workloads that our server takes."""
    server_core, load_core = cores()
    found = []
    with ExitStack() as stack:
        service, ours = stack.enter_context(dropnorm(folder, server_core, workers="0"))
        others = beside(stack, server_core, quick=quick)
        load = stack.enter_context(Load(load_core))
        references = {model: Reference(service.client, model) for model in ("row", "mixed", "picture")}
        for workload in wanted:
            taking = [server for server in (ours, *others) if answers(server, workload, references[workload.model])]
            if ours in taking:
                found.append(measured(workload, taking, load, pace, server_core))
    return found


def main() -> None:
    given = arguments()
    only = given.only.split(",")
    wanted = [workload for workload in workloads() if workload.name in only]
    if len(wanted) != len(only):
        raise SystemExit(f"unknown: {', '.join(set(only) - {workload.name for workload in wanted})}")
    pace = QUICK if given.quick else WHOLE
    pace = Pace(given.rounds or pace.rounds, pace.seconds, pace.alone_seconds)
    with models(given.folder, cores()[0]) as folder:
        results = compared(folder, wanted, pace, quick=given.quick)
    print(f"\n{machine()}; medians of {pace.rounds} rounds of {pace.seconds:g} s.\n")
    print("\n".join(table(results)))
    print()
    print("\n".join(bounds(results)))


if __name__ == "__main__":
    main()

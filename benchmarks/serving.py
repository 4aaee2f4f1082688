"""Predictions beside the least that an HTTP server costs in Python, and beside what users pick instead.

    python -m benchmarks.serving                         # a quarter of an hour
    python -m benchmarks.serving --quick --only row,jpeg # a minute or less
    python -m benchmarks.serving --peers mlserver,ray    # installs these first, in environments of their own

Our server runs as it is deployed, one process with keys, limits, figures and access log on. Beside it, in the same
rounds: a bare Starlette route that reads the body and answers with a constant, the yardstick; a raw ASGI callable that
does so; the FastAPI tutorial version. All of them under uvicorn with uvloop and httptools, on one core; the load comes
from another. Every answer must have the status 200, and one of each request is compared with what the model's files
answer in this process. CPU time is user and system time of the server's processes over the window, by request.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.beside import started
from benchmarks.servers.peers import PEERS
from benchmarks.servers.processes import ADMIN_KEY, cores, dropnorm
from benchmarks.serving_load import Load
from benchmarks.serving_models import MODELS, Reference, are_in, train
from benchmarks.serving_overload import Overloaded, kept, overloaded
from benchmarks.serving_overload import lines as overload_lines
from benchmarks.serving_report import bounds, line, machine, table
from benchmarks.serving_rounds import CONNECTIONS, Found, Pace, answers, measured
from benchmarks.serving_workloads import Workload, workloads

OVERLOADING = ("row", "picture-json")
REST_SECONDS = 2.0
ONE_MODEL = "ours, with one model"
MEMORY_BOUND, TAIL_GROWTH_BOUND = 150.0, 1.5
QUICK, WHOLE = Pace(3, 0.7, 0.25), Pace(9, 2.0, 0.7)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="Measures predictions.")
    names = [workload.name for workload in workloads()]
    parser.add_argument("--quick", action="store_true", help="three short rounds, our server and the yardstick alone")
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--rounds", type=int, help="how many rounds instead")
    parser.add_argument("--peers", default="", help=f"some of {','.join(PEERS)}")
    parser.add_argument("--cache", type=Path, help="where the peers' virtual environments are kept for the next time")
    parser.add_argument("--folder", type=Path, help="where the trained models are kept for the next time")
    return parser.parse_args()


@contextmanager
def models(given: Path | None, core: int | None) -> Iterator[Path]:
    """A folder of data with the three models in it, trained where it has none yet."""
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as temporary:
        folder = given or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not are_in(folder):
            with dropnorm(folder, core) as (service, _):
                train(service)
        yield folder


@dataclass(slots=True)
class Results:
    """All that one run of the benchmark found; `megabytes` are of our server's process by when, and of the others."""

    compared: list[Found] = field(default_factory=list)
    overloaded: list[Overloaded] = field(default_factory=list)
    megabytes: dict[str, float] = field(default_factory=dict)


def run(folder: Path, wanted: Sequence[Workload], pace: Pace, given: argparse.Namespace) -> Results:
    """All rounds of all workloads that our server takes, then the overload with those of `OVERLOADING`."""
    server_core, load_core = cores()
    results = Results()
    with ExitStack() as stack:
        service, ours = stack.enter_context(dropnorm(folder, server_core, workers="0"))
        time.sleep(REST_SECONDS)
        results.megabytes["ours, idle"] = ours.megabytes()
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropnorm-peers-")))
        peers = [name for name in given.peers.split(",") if name]
        cache = given.cache or scratch / "environments"
        others = started(stack, server_core, peers, cache, scratch / "peers", quick=given.quick)
        load = stack.enter_context(Load(load_core))
        references = {model: Reference(service.client, model) for model in MODELS}
        load.closed(ours.port, wanted[0].request.raw(ADMIN_KEY), CONNECTIONS, pace.alone_seconds)
        results.megabytes[ONE_MODEL] = ours.megabytes()
        # All of them before the first is measured, so that a wrong answer is told at once.
        known = [workload for workload in wanted if answers(ours, workload, references[workload.model])]
        beside = {work.name: [one for one in others if answers(one, work, references[work.model])] for work in known}
        for workload in known:
            results.compared.append(measured(workload, [ours, *beside[workload.name]], load, pace, server_core))
        results.megabytes |= {f"{server.name}, after all": server.megabytes() for server in (ours, *others)}
        if not given.quick:
            overloading = [workload for workload in known if workload.name in OVERLOADING]
            results.overloaded = [overloaded(ours, workload, load, pace) for workload in overloading]
            results.megabytes["ours, after the overload"] = ours.megabytes()
    return results


def printed(results: Results) -> Iterator[str]:
    yield from table(results.compared)
    yield ""
    yield from bounds(results.compared)
    yield line("MB of our process with one model in it", results.megabytes[ONE_MODEL], most=MEMORY_BOUND)
    yield from (line(*kept(found), most=TAIL_GROWTH_BOUND) for found in results.overloaded)
    if results.overloaded:
        yield ""
        yield from overload_lines(results.overloaded)
    yield "\n| memory of the server's processes | MB |\n|---|--:|"
    yield from (f"| {moment} | {megabytes:.0f} |" for moment, megabytes in results.megabytes.items())


def main() -> None:
    given = arguments()
    only = given.only.split(",")
    wanted = [workload for workload in workloads() if workload.name in only]
    if len(wanted) != len(only):
        raise SystemExit(f"unknown: {', '.join(set(only) - {workload.name for workload in wanted})}")
    pace = QUICK if given.quick else WHOLE
    pace = Pace(given.rounds or pace.rounds, pace.seconds, pace.alone_seconds)
    with models(given.folder, cores()[0]) as folder:
        results = run(folder, wanted, pace, given)
    print(f"\n{machine()}; medians of {pace.rounds} rounds of {pace.seconds:g} s.\n")
    print("\n".join(printed(results)))


if __name__ == "__main__":
    main()

"""Twice what a server can answer, at a constant rate over many connections: what is shed at once, and what is kept.

A request's time begins when it is due, so that a client which waits for a free connection counts as waiting.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.servers.processes import ADMIN_KEY, Server
from benchmarks.serving_load import SHED, Load
from benchmarks.serving_rounds import CONNECTIONS, Pace
from benchmarks.serving_window import OK, Timed
from benchmarks.serving_workloads import Workload

TIMES = 2.0
MANY_CONNECTIONS = 400
HEADER = (
    "| request | load | requests/s | answered/s | p50 / p99, ms | shed/s | p50 / p99 of the shed, ms |"
    "\n|---|---|--:|--:|--:|--:|--:|"
)


@dataclass(frozen=True, slots=True)
class Overloaded:
    """Windows of one workload: saturated by connections that wait, and at twice the rate that was found so."""

    workload: Workload
    saturated: list[Timed]
    beyond: list[Timed]


def overloaded(server: Server, workload: Workload, load: Load, pace: Pace) -> Overloaded:
    """Saturation and overload in turns."""
    request = workload.request.raw(ADMIN_KEY)
    found = Overloaded(workload, [], [])
    for _ in range(pace.rounds):
        saturated = load.closed(server.port, request, CONNECTIONS, pace.seconds)
        rate = TIMES * saturated.requests / saturated.seconds
        found.saturated.append(saturated)
        found.beyond.append(load.steady(server.port, request, MANY_CONNECTIONS, pace.seconds, rate))
    return found


def kept(found: Overloaded) -> tuple[str, float]:
    """How much later the slowest of those answered are than at saturation: a ratio of 99th percentiles."""
    pairs = zip(found.beyond, found.saturated, strict=True)
    ratio = statistics.median(beyond.percentile(99) / saturated.percentile(99) for beyond, saturated in pairs)
    return f"{found.workload.title}: p99 of the answered at {TIMES:g} × against saturated", ratio


def lines(results: Sequence[Overloaded]) -> Iterator[str]:
    """The table of it."""
    yield HEADER
    for found in results:
        named = {"saturated, 16 connections": found.saturated, f"{TIMES:g} × that, {MANY_CONNECTIONS}": found.beyond}
        for load, windows in named.items():
            yield f"| {found.workload.title} | {load} | {_cells(windows)} |"


def _cells(windows: Sequence[Timed]) -> str:
    def median(of: Callable[[Timed], float]) -> float:
        return statistics.median(map(of, windows))

    def per_second(status: int) -> float:
        return median(lambda window: len(window.milliseconds.get(status, ())) / window.seconds)

    def times(status: int) -> str:
        p50 = median(lambda window: window.percentile(50, status))
        p99 = median(lambda window: window.percentile(99, status))
        return f"{p50:.1f} / {p99:.1f}" if per_second(status) else "–"

    offered = median(lambda window: window.requests / window.seconds)
    return f"{offered:,.0f} | {per_second(OK):,.0f} | {times(OK)} | {per_second(SHED):,.0f} | {times(SHED)}"

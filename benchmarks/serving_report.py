"""The tables of the serving benchmark: what was measured, and whether it is within its bounds."""

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.servers.beside import YARDSTICK
from benchmarks.servers.peers import PEERS
from benchmarks.serving_rounds import Found, Sample

OURS, PEER = "dropnorm", PEERS["mlserver"].title
CPU_BOUNDS: Mapping[str, float] = {
    "row": 1.3,
    "named": 2.0,
    "picture-json": 3.5,
    "npy-float32": 1.2,
    "npy-uint8": 1.2,
    "oip-binary": 1.2,
}
"""CPU time a request, as a multiple of the bare Starlette route's."""
TAIL_BOUND, ALONE_BOUND, DECODING_BOUND, MONTE_CARLO_BOUND, PEER_BOUND = 3.0, 1.0, 0.5, 8.0, 8.0
HEADER = (
    "| request | server | CPU, µs | ratio (spread) | requests/s | ratio (spread) | p50 / p99 at 16, ms | p50 at 1, ms |"
    "\n|---|---|--:|--:|--:|--:|--:|--:|"
)


def _cpu(sample: Sample) -> float:
    return sample.cpu_microseconds


def _rate(sample: Sample) -> float:
    return sample.requests_per_second


def _tail(sample: Sample) -> float:
    return sample.p99


def _alone(sample: Sample) -> float:
    return sample.alone


def machine() -> str:
    """The processor, and what was asked of it."""
    described = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in described if line.startswith("model name")), "unknown")
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load average {load:.1f}"


def table(results: Sequence[Found]) -> Iterator[str]:
    """Medians of the rounds; ratios to the yardstick of the same round, with the least and the greatest."""
    yield HEADER
    for found in results:
        for server in found.samples:
            yield (
                f"| {found.workload.title} | {server} | {found.median(server, _cpu):,.0f} "
                f"| {_spread(found.ratios(server, YARDSTICK, _cpu))} | {found.median(server, _rate):,.0f} "
                f"| {_spread(found.ratios(server, YARDSTICK, _rate))} "
                f"| {found.median(server, lambda sample: sample.median):.2f} / {found.median(server, _tail):.2f} "
                f"| {found.median(server, _alone):.2f} |"
            )


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def bounds(results: Sequence[Found]) -> Iterator[str]:
    """What must be reached, and what was."""
    yield "| bound | wanted | found | |\n|---|--:|--:|---|"
    for found in results:
        name = found.workload.title
        if (bound := CPU_BOUNDS.get(found.workload.name)) is not None:
            yield line(f"{name}: CPU against Starlette", statistics.median(_against(found)), most=bound)
        if found.workload.name in CPU_BOUNDS:
            tails = found.ratios(OURS, YARDSTICK, _tail)
            yield line(f"{name}: p99 at 16 against Starlette", statistics.median(tails), most=TAIL_BOUND)
            later = found.median(OURS, _alone) - found.median(YARDSTICK, _alone)
            yield line(f"{name}: ms later than Starlette at 1", later, most=ALONE_BOUND)
        if PEER in found.samples:
            rates = found.ratios(OURS, PEER, _rate)
            yield line(f"{name}: rate against {PEER}", statistics.median(rates), least=PEER_BOUND)
        if found.decodings:
            rate = found.median(OURS, _rate) / statistics.median(found.decodings)
            yield line(f"{name}: rate against Pillow's decoding", rate, least=DECODING_BOUND)
    yield from _monte_carlo({found.workload.name: found for found in results})


def _against(found: Found) -> list[float]:
    return found.ratios(OURS, YARDSTICK, _cpu)


def _monte_carlo(results: Mapping[str, Found]) -> Iterator[str]:
    if "row" in results and "monte-carlo" in results:
        ratio = results["monte-carlo"].median(OURS, _cpu) / results["row"].median(OURS, _cpu)
        yield line("50 Monte Carlo passes: CPU against one prediction", ratio, most=MONTE_CARLO_BOUND)


def line(what: str, value: float, *, most: float | None = None, least: float | None = None) -> str:
    """A row of the table of bounds."""
    held = (most is None or value <= most) and (least is None or value >= least)
    wanted = f"≤ {most:g}" if most is not None else f"≥ {least:g}"
    return f"| {what} | {wanted} | {value:.2f} | {'held' if held else '**missed**'} |"

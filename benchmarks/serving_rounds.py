"""Rounds of the serving benchmark: every server in turn with the same request, so that all meet the same machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import httpx
import numpy as np
from PIL import Image

from benchmarks.servers.processes import ADMIN_KEY, Server, on_core
from benchmarks.serving_load import Load
from benchmarks.serving_models import Reference
from benchmarks.serving_workloads import Workload, check_probabilities

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """How many rounds, and seconds of each window: with 16 connections, and with one."""

    rounds: int
    seconds: float
    alone_seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of one server. Times in milliseconds; `alone` is the median at one connection."""

    cpu_microseconds: float
    requests_per_second: float
    median: float
    p99: float
    alone: float


@dataclass(slots=True)
class Found:
    """A workload's samples by server, a sample a round; `decodings` are pictures a second by Pillow alone."""

    workload: Workload
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    decodings: list[float] = field(default_factory=list)

    def median(self, server: str, of: Callable[[Sample], float]) -> float:
        return statistics.median(map(of, self.samples[server]))

    def ratios(self, server: str, other: str, of: Callable[[Sample], float]) -> list[float]:
        """Of what ran in the same round, in order."""
        pairs = zip(self.samples[server], self.samples[other], strict=True)
        return sorted(of(sample) / of(beside) for sample, beside in pairs)


def answers(server: Server, workload: Workload, reference: Reference) -> bool:
    """Whether a server takes a workload. What ours answers is compared with the reference: raises `Wrong`.

    A path or an option that it does not know is said loudly, and left out.
    """
    request = server.asked(workload)
    if request is None:
        return False
    headers = {**request.headers, "Authorization": f"Bearer {ADMIN_KEY}"}
    address = f"http://127.0.0.1:{server.port}{request.path}"
    response = httpx.post(address, content=request.body, headers=headers, timeout=60)
    ours = request is workload.request
    if ours and not workload.is_known(response):
        told = f"{response.status_code}: {response.text[:200]}"
        print(f"!!! {workload.name} is LEFT OUT: {request.path} answered {told}", flush=True)
        return False
    if response.status_code != 200:
        raise SystemExit(f"{server.name} answered {workload.name} with {response.status_code}: {response.text[:500]}")
    if ours:
        workload.check(response, reference)
    else:
        check_probabilities(response)
    return True


def measured(workload: Workload, servers: Sequence[Server], load: Load, pace: Pace, core: int | None) -> Found:
    """All rounds of one workload."""
    found = Found(workload, {server.name: [] for server in servers})
    asked = {server.name: server.asked(workload) for server in servers}
    requests = {name: request.raw(ADMIN_KEY) for name, request in asked.items() if request is not None}
    for server in servers:
        load.closed(server.port, requests[server.name], CONNECTIONS, pace.alone_seconds)
    for _ in range(pace.rounds):
        for server in servers:
            found.samples[server.name].append(_sample(server, requests[server.name], load, pace))
        if workload.file:
            with on_core(core):
                found.decodings.append(decodings(workload.file, pace.alone_seconds))
    return found


def _sample(server: Server, request: bytes, load: Load, pace: Pace) -> Sample:
    before = server.cpu_seconds()
    many = load.closed(server.port, request, CONNECTIONS, pace.seconds)
    spent = server.cpu_seconds() - before
    one = load.closed(server.port, request, 1, pace.alone_seconds)
    return Sample(
        cpu_microseconds=spent / many.requests * 1e6,
        requests_per_second=many.requests / many.seconds,
        median=many.percentile(50),
        p99=many.percentile(99),
        alone=one.percentile(50),
    )


def decodings(file: bytes, seconds: float) -> float:
    """Pictures a second that Pillow opens, decodes and hands over as an array."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        with Image.open(BytesIO(file)) as opened:
            np.asarray(opened.convert("RGB"))
        count += 1
    return count / (time.perf_counter() - began)

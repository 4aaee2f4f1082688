"""Servers of a benchmark as processes of their own, all on one core: CPU time, memory, and their end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.serving_workloads import Workload
from tests.service import HOME, Service, free_port

START_SECONDS = 120.0
END_SECONDS = 20.0
UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
ADMIN_KEY = "dn_" + "benchmark" * 4
SETTINGS = {
    "auth": "on",
    "admin_key": ADMIN_KEY,
    "access_log": "on",
    # The limits are counted and never reached: what is measured is what answers cost, not refusals.
    "max_requests_per_second": "1000000",
    "max_concurrent_requests": "5000",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `path_of` says where it takes a workload; None: it does not."""

    name: str
    pid: int
    port: int
    path_of: Callable[[Workload], str | None]

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time of the process, and of all that it started."""
        return sum(spent.user + spent.system for spent in (one.cpu_times() for one in self._processes()))

    def megabytes(self) -> float:
        """Resident memory (10⁶ bytes) of the process, and of all that it started."""
        return sum(float(one.memory_info().rss) for one in self._processes()) / 1e6


def cores() -> tuple[int | None, int | None]:
    """A core for the servers and another for the load; None twice where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[-1], allowed[0]) if len(allowed) > 1 else (None, None)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Whatever is started in the block stays on this core for good."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def dropnorm(folder: Path, core: int | None, **settings: str) -> Iterator[tuple[Service, Server]]:
    """Our server with keys, limits, figures and access log on, the log a file in `folder`."""
    service = Service(folder, **(SETTINGS | settings))
    service.client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    with on_core(core):
        service.start()
    try:
        yield service, Server("dropnorm", service.pid, int(service.address.rsplit(":", 1)[1]), lambda work: work.path)
    finally:
        service.stop()
        service.client.close()


@contextmanager
def command(
    name: str,
    line: Callable[[int], list[str]],
    core: int | None,
    path_of: Callable[[Workload], str | None],
    environment: Mapping[str, str] | None = None,
    ready: str = "/",
) -> Iterator[Server]:
    """A server that a command line starts on a port; it is ready when `ready` is answered at all."""
    port = free_port()
    with on_core(core):
        process = subprocess.Popen(line(port), cwd=HOME, env={**os.environ, **(environment or {})})
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}", name)
        yield Server(name, process.pid, port, path_of)
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        psutil.wait_procs(started, END_SECONDS / 4)
        for child in started:
            if child.is_running():
                child.kill()
        process.wait(END_SECONDS)


def uvicorn(
    name: str, application: str, core: int | None, path_of: Callable[[Workload], str | None]
) -> AbstractContextManager[Server]:
    """An application of this package under uvicorn, with the loop and the parser that our server has."""
    options = [sys.executable, "-m", "uvicorn", f"benchmarks.servers.{application}", *UVICORN]
    return command(name, lambda port: [*options, "--port", str(port)], core, path_of)


def _wait(process: subprocess.Popen[bytes], address: str, name: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(address, timeout=5).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"{name} did not start")

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

from benchmarks.serving_workloads import Request, Workload
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


Asked = Callable[[Workload], Request | None]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `asked` makes the request that it takes for a workload; None: it takes none."""

    name: str
    pid: int
    port: int
    asked: Asked

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
        yield (
            service,
            Server("dropnorm", service.pid, int(service.address.rsplit(":", 1)[1]), lambda work: work.request),
        )
    finally:
        service.stop()
        service.client.close()


@contextmanager
def command(
    name: str,
    line: Callable[[int], list[str]],
    core: int | None,
    asked: Asked,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    ready: str = "/",
) -> Iterator[Server]:
    """A server that a command line starts on a port, and that is ready when `ready` is answered by less than a 500.

    What it says goes to `log`; None: to where this process says what it does.
    """
    port = free_port()
    with on_core(core), open(log or os.devnull, "wb") as file:
        said = file if log else None
        process = subprocess.Popen(line(port), cwd=HOME, env=environment, stdout=said, stderr=said)
    try:
        if not _is_ready(process, f"http://127.0.0.1:{port}{ready}"):
            raise SystemExit(f"{name} did not start: {log.read_text()[-3000:] if log else 'it says why'}")
        yield Server(name, process.pid, port, asked)
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        psutil.wait_procs(started, END_SECONDS / 4)
        for child in started:
            if child.is_running():
                child.kill()
        process.wait(END_SECONDS)


def uvicorn(name: str, application: str, core: int | None, asked: Asked) -> AbstractContextManager[Server]:
    """An application of this package under uvicorn, with the loop and the parser that our server has."""
    options = [sys.executable, "-m", "uvicorn", f"benchmarks.servers.{application}", *UVICORN]
    return command(name, lambda port: [*options, "--port", str(port)], core, asked)


def _is_ready(process: subprocess.Popen[bytes], address: str) -> bool:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(address, timeout=5).status_code < 500:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False

"""A real `dropnorm serve` for tests: a process of its own on a free port, asked over HTTP, ended by its pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

HOME = Path(__file__).resolve().parents[1]
EXAMPLES = HOME / "examples"
READY_SECONDS = 90
ENDED = ("succeeded", "failed", "cancelled")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`dropnorm serve` between `with` and its end, or between `start()` and `stop()`, as often as wanted.

    `folder` gets the data (`data_dir`) and what the service says (`log`); `settings` are `DROPNORM_` variables in
    lower case. With `workers="0"` it counts as ready once it is alive.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir, self.log = folder / "data", folder / "service.log"
        self._settings = {"workers": "1", **settings}
        self.address = f"http://127.0.0.1:{free_port()}"
        self.client = httpx.Client(base_url=self.address, timeout=60)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Service":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.client.close()

    @property
    def pid(self) -> int:
        """The API process; its workers and reading processes are its children."""
        assert self.process is not None, "start() comes first"
        return self.process.pid

    def start(self) -> None:
        """Starts the service on the same address and data as before, and waits until it is ready."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
        settings = {"port": self.address.rsplit(":", 1)[1], "data_dir": str(self.data_dir), **self._settings}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve"],
                cwd=HOME,
                env=given | {f"DROPNORM_{name.upper()}": value for name, value in settings.items()},
                stdout=log,
                stderr=log,
            )
        path = "/readyz" if self._settings["workers"] != "0" else "/healthz"
        until = time.monotonic() + READY_SECONDS
        while not self._answers(path):
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"the service did not become ready: {self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Ends the service in order; answers its exit status."""
        assert self.process is not None, "start() comes first"
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """Kills the API process and everything that it started, with no chance to clean up."""
        for process in [*psutil.Process(self.pid).children(recursive=True), psutil.Process(self.pid)]:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        assert self.process is not None
        self.process.wait(60)

    def processes(self) -> list[psutil.Process]:
        """The API process and all that it started."""
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def upload(self, path: Path, **fields: str) -> dict[str, Any]:
        """Uploads a file; answers the dataset."""
        return accepted(
            self.client.post("/api/v1/datasets", files={"file": (path.name, path.read_bytes())}, data=fields)
        )

    def submit(self, dataset: str, network: Any, **more: Any) -> dict[str, Any]:
        """Submits a run; answers it as queued. `more` are the fields of `POST /runs`."""
        return accepted(self.client.post("/api/v1/runs", json={"dataset": dataset, "network": network, **more}))

    def ended(self, run_id: str, seconds: float = 120) -> dict[str, Any]:
        """Waits until a run has ended; answers it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            run = accepted(self.client.get(f"/api/v1/runs/{run_id}"))
            if run["status"] in ENDED:
                return run
            time.sleep(0.05)
        raise AssertionError(f"run {run_id} is {run['status']} after {seconds} seconds")

    def _answers(self, path: str) -> bool:
        try:
            return self.client.get(path).status_code == 200
        except httpx.TransportError:
            return False


def accepted(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a 2xx answer."""
    assert response.is_success, f"{response.status_code}: {response.text[:2000]}"
    body = response.json()
    assert isinstance(body, dict)
    return body

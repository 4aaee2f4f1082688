"""A service of its own for a benchmark: a free port, a folder that is thrown away, and its end."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`dropnorm serve` between `with` and its end; `address` is where it answers."""

    def __init__(self, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dropnorm-")
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.data_dir = Path(self._folder.name)
        self._environment = os.environ | {
            "DROPNORM_PORT": str(port),
            "DROPNORM_DATA_DIR": self._folder.name,
            **{f"DROPNORM_{name.upper()}": value for name, value in settings.items()},
        }

    def __enter__(self) -> "Service":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"], env=self._environment, stdout=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                if httpx.get(f"{self.address}/readyz").status_code == 200:
                    return self
            except httpx.ConnectError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("the service did not become ready")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._folder.cleanup()

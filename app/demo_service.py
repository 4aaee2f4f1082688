"""The service that a demo starts for itself and stops again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import DropnormError

HOME = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0


class DemoFailed(DropnormError):
    """A call of the demo was not answered as it should be."""

    code = "demo_failed"


@contextmanager
def running_service(address: str, folder: Path) -> Iterator[None]:
    """`dropnorm serve` at `address`, its data and its log in `folder`. A `DemoFailed` gets what it said at its end."""
    # Whoever has a database of their own in the environment does not want a demo in it.
    given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    settings = {"DROPNORM_PORT": address.rsplit(":", 1)[1], "DROPNORM_DATA_DIR": str(folder / "data")}
    log = folder / "service.log"
    with log.open("wb") as file:
        service = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"], env=given | settings, cwd=HOME, stdout=file, stderr=file
        )
    try:
        _wait_ready(service, address)
        yield
    except DemoFailed as failure:
        raise DemoFailed(f"{failure.detail}\nthe service said:\n{log.read_text()[-4000:]}") from failure
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(service: subprocess.Popen[bytes], address: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    asked = [
        "curl",
        "-sf",
        "-o",
        "/dev/null",
        "--retry",
        "100",
        "--retry-connrefused",
        "--retry-delay",
        "1",
        "--retry-max-time",
        str(int(START_SECONDS)),
        f"{address}/readyz",
    ]
    while service.poll() is None and time.monotonic() < give_up:
        if subprocess.run(asked, check=False, capture_output=True).returncode == 0:  # noqa: S603
            return
    raise DemoFailed("the service did not become ready")

"""The server: API processes on one port, with embedded workers beside them."""

import logging
import os
import resource
import signal
import socket
import sys
import tempfile
from types import FrameType

import uvicorn
import uvicorn.supervisors

from app import logs
from app.settings import Settings, SettingsError, load
from app.web.connection import Connection
from app.web.shared_metrics import VARIABLE
from app.worker.keeper import kept

_LOG = logging.getLogger("dropnorm")


def serve(settings: Settings) -> None:
    """The API with its embedded workers, until a signal ends it. Leaves no process behind.

    The database must be migrated. Raises `SettingsError` where the address cannot be listened on.
    """
    settings.check_host()
    # A connection is a file, and the usual soft limit of 1,024 would be reached before any of our own.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = uvicorn.Config(
        "app.assembly:api",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.processes,
        http=Connection,
        ws="none",
        # What it tells goes the way of all logs; below a warning it tells of each connection.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        # On a busy machine a process takes its time to start, and must not be ended for that again and again.
        timeout_worker_healthcheck=60,
    )
    listener = _listen(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal once more when it has ended: the workers are still to be ended then.
        signal.signal(number, _leave)
    _greet(settings)
    with listener, kept(settings.workers):
        if settings.processes > 1:
            with tempfile.TemporaryDirectory(prefix="dropnorm-metrics-") as folder:
                os.environ[VARIABLE] = folder
                uvicorn.supervisors.Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"{settings.host} port {settings.port} cannot be listened on: {error.strerror}") from None
    return listener


def _greet(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    if settings.log_format == "json":
        # Whoever reads this reads every line as an object.
        asked = "keys are asked for" if settings.keys_required else "no keys are asked for"
        _LOG.info("dropnorm serves %s, with data in %s; %s", address, settings.data_dir, asked)
        return
    if settings.keys_required:
        door, key = "keys are asked for: `dropnorm keys create` makes one", " -H 'Authorization: Bearer dn_…'"
    else:
        door = "WARNING: no keys. Whoever reaches this address may use it, so it listens on loopback alone"
        key = ""
    lines = [
        f"dropnorm serves {address}  (data in {settings.data_dir.resolve()})",
        f"  {door}",
        "  next, upload a table whose last column is to be predicted:",
        f"    curl{key} -F file=@data.csv {address}/api/v1/datasets",
        f"  every call: {address}/docs",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    try:
        found = load()
        logs.configure(found.log_format, found.log_level)
        serve(found)
    except SettingsError as error:
        print(f"dropnorm: {error.detail}", file=sys.stderr)
        sys.exit(2)

"""Where the parts are put together: the API process, with its embedded workers beside it."""

import ipaddress
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import uvicorn
import uvicorn.supervisors
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import logs
from app.ingest.bounds import die_with
from app.serving.catalogue import Catalogue
from app.serving.registry import Registry
from app.settings import Settings, SettingsError, load
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.tracing import tracing_to
from app.web.access_log import AccessLog
from app.web.app import create_app
from app.web.broadcast import Broadcast
from app.web.context import Context, Limits
from app.web.metrics import Metrics
from app.web.scrape import Scrape
from app.web.shared_metrics import VARIABLE
from app.worker.keeper import kept

_LOG = logging.getLogger("dropnorm")


def context_of(settings: Settings, shared_metrics: Path | None = None) -> Context:
    """Everything that the routes work with. `shared_metrics`: where processes that share the port add up theirs."""
    metrics = Metrics(shared_metrics)
    database, blobs = Database(settings.database), Blobs(settings.data_dir)
    registry = Registry(blobs, settings.model_cache, metrics.holds)
    limits = Limits(
        upload_bytes=settings.max_upload_bytes,
        body_bytes=settings.max_body_bytes,
        prediction_rows=settings.max_prediction_rows,
        ingest_seconds=settings.ingest_seconds,
        ingest_memory_bytes=settings.ingest_memory_bytes,
        quota=Quota(unfinished_runs=settings.max_unfinished_runs, stored_bytes=settings.max_stored_bytes),
    )
    return Context(
        database=database,
        blobs=blobs,
        metrics=metrics,
        scrape=Scrape(metrics, database, blobs),
        access_log=AccessLog(settings.log_format) if settings.access_log == "on" else None,
        tracing=tracing_to(settings.traces_endpoint, "dropnorm-api", version("dropnorm")),
        catalogue=Catalogue(database, registry.forget),
        registry=registry,
        broadcast=Broadcast(database),
        limits=limits,
        hosts=settings.hosts,
    )


def api() -> FastAPI:
    """The application for the settings of the environment: what uvicorn's processes import."""
    parent, shared = multiprocessing.parent_process(), None
    if parent is not None and parent.pid is not None:
        # One of several processes: it must not go on to hold the port when the one that started it is killed.
        die_with(parent.pid)
        shared = Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None
    settings = load()
    logs.configure(settings.log_format, settings.log_level)
    return create_app(context_of(settings, shared), version("dropnorm"))


class Protocol(HttpToolsProtocol):
    """Ends the event streams when the server begins to stop: it waits for them, and they would else never end."""

    def shutdown(self) -> None:
        context = getattr(getattr(self.config.loaded_app, "state", None), "context", None)
        if isinstance(context, Context):
            context.broadcast.end()
        super().shutdown()


def serve(settings: Settings) -> None:
    """The API with its embedded workers, until a signal ends it. Leaves no process behind.

    The database must be migrated. Raises `SettingsError` where the address cannot be listened on.
    """
    _check_host(settings)
    config = uvicorn.Config(
        "app.main:api",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.processes,
        http=Protocol,
        ws="none",
        # What it tells goes the way of all logs; below a warning it tells of each connection.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        # One of several processes that is slow to start, on a busy machine, is not to be killed for it again and again.
        timeout_worker_healthcheck=20,
        h11_max_incomplete_event_size=64 << 10,
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_host(settings: Settings) -> None:
    if not _is_loopback(settings.host) and settings.allowed_hosts == Settings.model_fields["allowed_hosts"].default:
        raise SettingsError(
            f"DROPNORM_HOST {settings.host} is not loopback and there are no keys: name the hosts that may be "
            "asked for in DROPNORM_ALLOWED_HOSTS, and keep the port closed to strangers"
        )


def _greet(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    open_to = "it listens on loopback alone" if _is_loopback(settings.host) else "keep the port closed to strangers"
    if settings.log_format == "json":
        # Whoever reads this reads every line as an object.
        _LOG.info("dropnorm serves %s, with data in %s", address, settings.data_dir)
        return
    lines = [
        f"dropnorm serves {address}  (data in {settings.data_dir.resolve()})",
        f"  no keys: whoever reaches this address may use it, so {open_to}",
        "  next, upload a table whose last column is to be predicted:",
        f"    curl -F file=@data.csv {address}/api/v1/datasets",
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

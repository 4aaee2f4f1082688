"""Where the parts of an API process are put together, for the settings of its environment."""

import multiprocessing
import os
import signal
import threading
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from app import logs
from app.ingest.bounds import die_with
from app.serving.catalogue import Catalogue
from app.serving.keyring import Keyring
from app.serving.registry import Registry
from app.settings import Settings, load
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.tracing import tracing_to
from app.web.access import Rules
from app.web.access_log import AccessLog
from app.web.app import create_app
from app.web.bodies import BodyLimits
from app.web.broadcast import Broadcast
from app.web.context import Context, Limits
from app.web.gate import Gate
from app.web.metrics import Metrics
from app.web.observation import Observation
from app.web.scrape import Scrape
from app.web.shared_metrics import VARIABLE
from app.web.traffic import Slots, TrafficLimits


def context_of(settings: Settings, shared_metrics: Path | None = None) -> Context:
    """Everything that the routes work with. `shared_metrics`: where processes that share the port add up theirs."""
    metrics = Metrics(shared_metrics)
    database, blobs = Database(settings.database), Blobs(settings.data_dir)
    registry = Registry(blobs, settings.model_cache, metrics.holds)
    limits = Limits(
        prediction_rows=settings.max_prediction_rows,
        prediction_cells=settings.max_prediction_cells,
        prediction_values=settings.max_prediction_values,
        ingest_seconds=settings.ingest_seconds,
        ingest_memory_bytes=settings.ingest_memory_bytes,
        stream_seconds=settings.stream_seconds,
        quota=Quota(unfinished_runs=settings.max_unfinished_runs, stored_bytes=settings.max_stored_bytes),
    )
    return Context(
        database=database,
        blobs=blobs,
        catalogue=Catalogue(database, registry.forget),
        registry=registry,
        keyring=Keyring(database),
        broadcast=Broadcast(database),
        limits=limits,
        rules=_rules(settings),
        keys_required=settings.keys_required,
        metrics=metrics,
        scrape=Scrape(metrics, database, blobs),
        access_log=AccessLog(settings.log_format) if settings.access_log == "on" else None,
        gate=Gate(settings.max_wait_seconds, metrics.turned_away),
        tracing=tracing_to(settings.traces_endpoint, "dropnorm-api", version("dropnorm")),
        default_model=settings.default_model,
        streams=Slots(settings.max_concurrent_streams),
    )


def _rules(settings: Settings) -> Rules:
    bodies = BodyLimits(
        upload_bytes=settings.max_upload_bytes,
        body_bytes=settings.max_body_bytes,
        buffered_bytes=settings.max_buffered_bytes,
        seconds=settings.body_seconds,
    )
    traffic = TrafficLimits(
        requests_per_second=settings.max_requests_per_second,
        requests_at_once=settings.max_concurrent_requests,
        uploads_at_once=settings.max_concurrent_uploads,
    )
    return Rules(settings.hosts, bodies, traffic, settings.invocations_key)


def api() -> Observation:
    """The application for the settings of the environment: what uvicorn's processes import."""
    parent, shared = multiprocessing.parent_process(), None
    if parent is not None and parent.pid is not None:
        # One of several processes: it must not go on to hold the port when the one that started it is killed.
        die_with(parent.pid)
        shared = Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None
    settings = load()
    logs.configure(settings.log_format, settings.log_level)
    context = context_of(settings, shared)
    if settings.drain_seconds:
        _stop_late(context.stopping, settings.drain_seconds)
    return create_app(context, version("dropnorm"))


def _stop_late(stopping: threading.Event, seconds: float) -> None:
    """Has the first SIGTERM say that the server is about to stop, and stop it so many seconds later.

    Meanwhile it answers as before, so that whoever shares out requests between several of them turns to the others.
    """
    # uvicorn has put its own handler there by now.
    at_once = signal.getsignal(signal.SIGTERM)
    assert callable(at_once)

    def begin(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            at_once(number, frame)
            return
        stopping.set()
        timer = threading.Timer(seconds, at_once, (number, None))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, begin)

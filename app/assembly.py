"""Where the parts of an API process are put together, for the settings of its environment."""

import multiprocessing
import signal
import threading
from importlib.metadata import version
from types import FrameType

from app.ingest.bounds import die_with
from app.serving.catalogue import Catalogue
from app.serving.keyring import Keyring
from app.serving.registry import Registry
from app.settings import Settings, load
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.web.access import Access, Rules
from app.web.app import create_app
from app.web.bodies import BodyLimits
from app.web.broadcast import Broadcast
from app.web.context import Context, Limits
from app.web.traffic import TrafficLimits


def context_of(settings: Settings) -> Context:
    """Everything that the routes work with."""
    database, blobs = Database(settings.database), Blobs(settings.data_dir)
    registry = Registry(blobs, settings.model_cache)
    limits = Limits(
        prediction_rows=settings.max_prediction_rows,
        prediction_cells=settings.max_prediction_cells,
        ingest_seconds=settings.ingest_seconds,
        ingest_memory_bytes=settings.ingest_memory_bytes,
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
    return Rules(settings.hosts, bodies, traffic)


def api() -> Access:
    """The application for the settings of the environment: what uvicorn's processes import."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        # One of several processes: it must not go on to hold the port when the one that started it is killed.
        die_with(parent.pid)
    settings = load()
    context = context_of(settings)
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

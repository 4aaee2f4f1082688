"""What the routes work with: put together once by `app.main`, reached through `app.web.dependencies`."""

import threading
from dataclasses import dataclass, field

from app.serving.catalogue import Catalogue
from app.serving.keyring import Keyring
from app.serving.registry import Registry
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.tracing import Tracing
from app.web.access import Rules
from app.web.access_log import AccessLog
from app.web.broadcast import Broadcast
from app.web.gate import Gate
from app.web.metrics import Metrics
from app.web.readiness import Readiness
from app.web.scrape import Scrape
from app.web.threads import FewThreads, Threads
from app.web.traffic import Slots


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may not pass in a request that was let in, and what its project may have.

    `prediction_cells` are values after preprocessing: rows × inputs of the network; `prediction_values` are what is
    answered: rows × outputs.
    """

    prediction_rows: int
    prediction_cells: int
    prediction_values: int
    ingest_seconds: float
    ingest_memory_bytes: int
    stream_seconds: int
    quota: Quota


@dataclass(frozen=True, slots=True)
class Context:
    database: Database
    blobs: Blobs
    catalogue: Catalogue
    registry: Registry
    keyring: Keyring
    broadcast: Broadcast
    limits: Limits
    rules: Rules
    keys_required: bool
    metrics: Metrics
    scrape: Scrape
    access_log: AccessLog | None
    tracing: Tracing | None
    gate: Gate
    streams: Slots
    # What `/invocations` means where there are several models; empty for none.
    default_model: str = ""
    # Set when the server is about to stop, and still answers.
    stopping: threading.Event = field(default_factory=threading.Event)
    readiness: Readiness = field(default_factory=Readiness)
    # Threads of their own, so that neither slow uploads nor large predictions keep everything else waiting.
    reading: Threads = field(default_factory=lambda: Threads(4, "reading"))
    answering: Threads = field(default_factory=lambda: Threads(4, "answering"))
    judging: FewThreads = field(default_factory=lambda: FewThreads(2, "judging", most=8))

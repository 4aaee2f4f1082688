"""What the routes work with: put together once by `app.main`, reached through `app.web.dependencies`."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.serving.catalogue import Catalogue
from app.serving.keyring import Keyring
from app.serving.registry import Registry
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.web.access import Rules
from app.web.broadcast import Broadcast
from app.web.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may not pass in a request that was let in, and what its project may have.

    `prediction_cells` are values after preprocessing: rows × inputs of the network.
    """

    prediction_rows: int
    prediction_cells: int
    ingest_seconds: float
    ingest_memory_bytes: int
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
    # Set when the server is about to stop, and still answers.
    stopping: threading.Event = field(default_factory=threading.Event)
    readiness: Readiness = field(default_factory=Readiness)
    # Threads of their own, so that neither slow uploads nor large predictions keep everything else waiting.
    reading: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "reading"))
    answering: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "answering"))

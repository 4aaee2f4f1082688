"""What the routes work with: put together once by `app.main`, reached through `app.web.dependencies`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.serving.catalogue import Catalogue
from app.serving.registry import Registry
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.quotas import Quota
from app.web.broadcast import Broadcast


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may not pass: sizes, and what its project may have."""

    upload_bytes: int
    body_bytes: int
    prediction_rows: int
    ingest_seconds: float
    ingest_memory_bytes: int
    quota: Quota


@dataclass(frozen=True, slots=True)
class Context:
    database: Database
    blobs: Blobs
    catalogue: Catalogue
    registry: Registry
    broadcast: Broadcast
    limits: Limits
    hosts: tuple[str, ...]
    # Threads of their own, so that neither slow uploads nor large predictions keep everything else waiting.
    reading: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "reading"))
    answering: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "answering"))

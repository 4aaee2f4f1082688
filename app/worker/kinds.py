"""The kinds of work that a worker knows: what its trainer is told of each, and where its reports are written down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.storage import batch_records, records
from app.storage.blobs import StoredFile
from app.storage.database import Session
from app.storage.jobs import Claim
from app.worker.orders import AnyOrder, batch_order_for, order_for

Report = dict[str, Any]


class Book(Protocol):
    """What is written down of a job of one kind, each in a transaction that checks that it is still held."""

    def started(self, session: Session, held: Claim, environment: Report, /) -> object: ...

    def progress(self, session: Session, held: Claim, values: Report, /) -> None: ...

    def log(self, session: Session, held: Claim, message: str, /, *, once: bool = False) -> None: ...

    def succeeded(self, session: Session, held: Claim, result: Report, files: Mapping[str, StoredFile], /) -> None: ...

    def failed(self, session: Session, held: Claim, code: str, message: str, /) -> None: ...

    def cancelled(self, session: Session, held: Claim, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """`order_for` reads the order of a claimed job; it is given the data folder and the least time between checkpoints.

    `doing` and `process` are words for what was lost: a worker that was `doing` it, or the trainer, as `process`.
    """

    book: Book
    order_for: Callable[[Session, Claim, str, float], AnyOrder]
    doing: str
    process: str
    meanwhile: str = ""


KINDS: dict[str, Kind] = {
    "run": Kind(records, order_for, "trained this run", "the training process", " with no checkpoint in between"),
    "batch_prediction": Kind(batch_records, batch_order_for, "answered these rows", "the answering process"),
}

"""Attempts run within the test's own process, stopped at any yield of the loop, with what they say at hand."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.storage.blobs import Blobs, StoredFile
from app.worker.attempt import Attempt, Stopped
from app.worker.channel import Message, Sender
from app.worker.orders import Order, StoredCheckpoint, StoredColumns
from tests.worker.workplace import Workplace


class Said(Sender):
    """Keeps what an attempt says instead of sending it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["kind"] == kind]


class StopAt(threading.Event):
    """Set once it has been asked for so often: an attempt asks once a yield."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.asked, self._count = 0, count

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked >= self._count


def order(
    place: Workplace, dataset: str, network: dict[str, Any], training: dict[str, Any], number: int = 1, **more: Any
) -> Order:
    """What a worker would tell its trainer, with files in `runs/trial/attempt-<number>`."""
    row = place.dataset(dataset)
    return Order(
        data_dir=str(place.data_dir),
        folder=f"runs/trial/attempt-{number}",
        network=network,
        training={"seed": 7, **training},
        data=StoredColumns(dataset_schema=row.schema, files=row.files),
        **{"checkpoint_seconds": 1e6, **more},
    )


def stored(said: Sequence[Message], inherited: bool = False) -> tuple[StoredCheckpoint, ...]:
    """The checkpoints that an attempt reported, newest first, as the next one is told of them."""
    made = [message["file"] for message in said if message["kind"] == "checkpoint"]
    return tuple(StoredCheckpoint(**file, inherited=inherited) for file in reversed(made))


def carried_out(wanted: Order, stop: threading.Event | None = None) -> tuple[Said, dict[str, str] | None]:
    """Runs an attempt: what it said, and the digests of its files, or None where it was stopped."""
    said = Said()
    try:
        done = Attempt(wanted, said, stop or threading.Event()).run()
    except Stopped:
        return said, None
    files = {name: StoredFile(**file) for name, file in done["files"].items()}
    for file in files.values():
        Blobs(Path(wanted.data_dir)).check(file)
    return said, {name: file.sha256 for name, file in files.items()}

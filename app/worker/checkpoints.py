"""An attempt's checkpoints: when one is due, how it is written, and from which one an attempt goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from app.domain.training.run import TrainingRun
from app.domain.training.state import restore, take
from app.errors import Damaged, DropnormError, NotFound, StorageFull, StorageUnavailable
from app.failpoints import reach
from app.storage.blobs import Blobs, StoredFile
from app.worker.channel import Sender
from app.worker.orders import Order, StoredCheckpoint

SHARE = 0.05
"""The most of an attempt's time that writing checkpoints may take."""
BYTES_PER_SECOND = 100e6
"""How fast the first one is expected to be written; after it, as fast as the last one was."""
DOCUMENT = "checkpoint"


class Allowance:
    """Says when the next checkpoint may be begun: `least_seconds` after the last, and within `SHARE` of all time.

    Tiny epochs and huge networks alike: what counts is time, measured by the caller's clock.
    """

    def __init__(self, least_seconds: float, expected_seconds: float, began: float) -> None:
        self._least, self._expected, self._began = least_seconds, expected_seconds, began
        self._spent = 0.0
        self.due_at = self._next(began)

    def spent(self, began: float, ended: float) -> None:
        """Takes a checkpoint in that was written from `began` to `ended`."""
        self._expected = ended - began
        self._spent += self._expected
        self.due_at = self._next(ended)

    def _next(self, moment: float) -> float:
        return max(moment + self._least, self._began + (self._spent + self._expected) / SHARE)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a run goes on from: what stood beside the state, and whether another run left it."""

    beside: dict[str, Any]
    inherited: bool


class Checkpoints:
    """Writes the states of one attempt of `run`, and finds the state to begin with."""

    def __init__(self, order: Order, sender: Sender, blobs: Blobs, clock: Callable[[], float]) -> None:
        self._order, self._sender, self._blobs, self._clock = order, sender, blobs, clock
        self._made = 0
        self._written: tuple[str, int, int] | None = None
        self._told: set[str] = set()
        self._allowance = Allowance(float("inf"), 0.0, 0.0)

    @property
    def due_at(self) -> float:
        return self._allowance.due_at

    def begin(self, run: TrainingRun) -> None:
        """Begins to count the time, once training is about to."""
        # Weights, two moments of the optimiser, the best epoch's weights: a state has no more.
        size = 4 * sum(parameter.nbytes for parameter in run.parameters)
        self._allowance = Allowance(self._order.checkpoint_seconds, size / BYTES_PER_SECOND, self._clock())

    def write(self, run: TrainingRun, beside: dict[str, Any]) -> None:
        """Publishes the state of `run` as it stands, unless that was just done, and reports it.

        A disk without room, or that fails, costs the checkpoint and not the run. A state that has diverged is
        none to go on from.
        """
        position = (run.step.phase, run.step.epoch, run.step.step)
        if position == self._written:
            return
        began = self._clock()
        tensors, state = take(run)
        if all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            self._publish(run, tensors, {"state": state, "beside": beside})
            self._written = position
        self._allowance.spent(began, self._clock())

    def _publish(self, run: TrainingRun, tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
        on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        content = safetensors.torch.save(on_host, {DOCUMENT: orjson.dumps(document).decode()})
        try:
            file = self._blobs.write(f"{self._order.folder}/checkpoint-{self._made + 1}.safetensors", content)
        except (StorageFull, StorageUnavailable) as error:
            self._say_without(error)
        else:
            self._made += 1
            self._report(file, run)

    def restore(self, begin: Callable[[], TrainingRun]) -> tuple[TrainingRun, Restored | None]:
        """A run with the newest good checkpoint in it; with None where it is at its beginning.

        Raises `StorageUnavailable` where none is good and one may be the next time, else `Damaged` where a run that was
        to go on from another one's checkpoint has none that can be read.
        """
        unavailable: StorageUnavailable | None = None
        for stored in self._order.checkpoints:
            reach("restoring", stored.key)
            # Each is put into a run of its own, so that nothing of a bad one stays.
            run = begin()
            try:
                beside = self._put_in(run, stored)
            except (Damaged, NotFound, StorageUnavailable) as error:
                unavailable = error if isinstance(error, StorageUnavailable) else unavailable
                self._say(f"{_name(stored)} cannot be used: {error.detail}")
                continue
            self._written = (run.step.phase, run.step.epoch, run.step.step)
            self._say(f"goes on from {_name(stored)}: {_place(run)}")
            return run, Restored(beside, stored.inherited)
        if unavailable is not None:
            raise unavailable
        if self._order.resumed:
            raise Damaged("no checkpoint of the run that this one was resumed from can be read")
        if self._order.checkpoints:
            self._say("no checkpoint can be read: the run begins again at its beginning")
        return begin(), None

    def _put_in(self, run: TrainingRun, stored: StoredCheckpoint) -> dict[str, Any]:
        content = self._blobs.read(StoredFile(stored.key, stored.bytes, stored.sha256))
        tensors, document = unpack(content)
        # Only what another run left may be stretched over more epochs: own checkpoints have the horizon already.
        restore(run, tensors, document["state"], new_horizon=self._order.new_horizon and stored.inherited)
        beside: dict[str, Any] = document["beside"]
        return beside

    def _report(self, file: StoredFile, run: TrainingRun) -> None:
        step = run.step
        self._sender.send(
            {
                "kind": "checkpoint",
                "file": {"key": file.key, "bytes": file.bytes, "sha256": file.sha256},
                "phase": step.phase,
                "epoch": step.epoch,
                "step": step.step,
            }
        )

    def _say_without(self, error: DropnormError) -> None:
        if error.code not in self._told:
            self._told.add(error.code)
            self._say(f"a checkpoint could not be written ({error.detail}); training goes on without it")

    def _say(self, message: str) -> None:
        self._sender.send({"kind": "log", "message": message})


def _name(stored: StoredCheckpoint) -> str:
    if stored.inherited:
        return "the inherited checkpoint"
    _, _, attempt, name = stored.key.split("/")
    return f"{name.removesuffix('.safetensors')} of {attempt}"


def _place(run: TrainingRun) -> str:
    step = run.step
    if step.phase == "statistics":
        return f"{step.step} of {step.steps} batches of the population statistics are done"
    return f"epoch {step.epoch}, {step.step} of {step.steps} steps are done"


def unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint file's tensors and document. Raises `Damaged` where it is none."""
    try:
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        header = orjson.loads(content[8 : 8 + length])
        document: dict[str, Any] = orjson.loads(header["__metadata__"][DOCUMENT])
    except (SafetensorError, orjson.JSONDecodeError, KeyError) as error:
        raise Damaged("the file is not a checkpoint") from error
    return tensors, document

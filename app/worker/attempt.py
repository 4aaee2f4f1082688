"""One attempt of a run, from stored columns to published files. Here is the clock that the training loop lacks."""

import threading
import time
from pathlib import Path
from typing import Any

import torch

from app.domain.plan.preparation import Preparation, prepare
from app.domain.training.build import build
from app.domain.training.events import EpochReport, Step
from app.domain.training.loop import train
from app.domain.training.run import TrainingRun, start
from app.errors import InvalidSettings
from app.storage.blobs import Blobs
from app.worker.channel import Message, Sender
from app.worker.checkpoints import Checkpoints, Restored
from app.worker.loading import Loaded, load
from app.worker.orders import Order
from app.worker.outcome import Outcome

PROGRESS_SECONDS = 0.5
PULSE_SECONDS = 5.0


class Stopped(Exception):
    """Somebody cancelled, or the worker is to end."""


class Attempt:
    """`run` computes and answers the message to end with; it raises `Stopped` soon after `stop` is set."""

    def __init__(self, order: Order, sender: Sender, stop: threading.Event) -> None:
        self.order, self.sender, self.stop = order, sender, stop
        self.settings = order.settings
        self._blobs = Blobs(Path(order.data_dir))
        self._checkpoints = Checkpoints(order, sender, self._blobs, time.monotonic)
        self._began = time.monotonic()
        self._told = 0.0
        self._epoch_began = self._steps_ended = self._began
        self._steps = 0
        self._epoch_spent = 0.0
        self._best: dict[str, Any] = {}

    def run(self) -> Message:
        loaded = load(self.order, self._pulse)
        prepared = prepare(loaded.columns, self.order.spec, self.settings, loaded.validation)
        if prepared.batches.last_batch_is == "joined":
            self._log(f"an orphan row joins the last batch, which so has {prepared.batches.last_batch} rows")
        outcome = Outcome(self.order, loaded, prepared, self._pulse)
        run = self._begin(outcome, loaded, prepared)
        self._train(run, outcome)
        return {"kind": "done", **outcome.publish(run.network, self._blobs)}

    def _begin(self, outcome: Outcome, loaded: Loaded, prepared: Preparation) -> TrainingRun:
        data, validation = loaded.tensors(prepared)
        scale = prepared.preprocessing.target.scale.deviation if prepared.preprocessing.target.type == "number" else 1.0

        def begin() -> TrainingRun:
            network = build(prepared.spec, self._seed()).to(self._device())
            return start(network, data, prepared.batches, self.settings, validation=validation, target_scale=scale)

        run, restored = self._checkpoints.restore(begin)
        if restored is not None:
            self._go_on(run, outcome, restored)
        return run

    def _go_on(self, run: TrainingRun, outcome: Outcome, restored: Restored) -> None:
        outcome.epochs, outcome.before = run.step.epoch - 1, restored.beside["before"]
        self._best, self._steps = restored.beside["best"], run.step.step
        self._epoch_spent = restored.beside["epoch_seconds"] if run.step.step else 0.0
        if not restored.inherited:
            self._began -= restored.beside["seconds"]
            run.step.finish = self._time_is_over(time.monotonic())
        elif run.best.patience_ended:
            run.best.waited = 0
            self._log("early stopping had ended the run before: it begins to wait anew")

    def _train(self, run: TrainingRun, outcome: Outcome) -> None:
        self._epoch_began = time.monotonic() - self._epoch_spent
        self._steps_ended = time.monotonic()
        self._checkpoints.begin(run)
        for event in train(run):
            if isinstance(event, EpochReport):
                self._report(event, run)
                outcome.epochs = event.epoch
            elif event.phase == "training":
                self._step(event, run)
            elif event.step == 0:
                outcome.before_population_statistics(run.network)
            if self.stop.is_set():
                self._checkpoint(run, outcome)
                raise Stopped
            # The state that training ends in is kept, for whoever wants more epochs later.
            ends = isinstance(event, EpochReport) and not run.goes_on
            if ends or time.monotonic() >= self._checkpoints.due_at:
                self._checkpoint(run, outcome)

    def _checkpoint(self, run: TrainingRun, outcome: Outcome) -> None:
        moment = time.monotonic()
        beside = {
            "seconds": moment - self._began,
            "epoch_seconds": moment - self._epoch_began,
            "best": self._best,
            "before": outcome.before,
        }
        self._checkpoints.write(run, beside)

    def _step(self, step: Step, run: TrainingRun) -> None:
        moment = time.monotonic()
        self._steps, self._steps_ended = step.step, moment
        if self._time_is_over(moment):
            step.finish = True
        if moment - self._told > PROGRESS_SECONDS:
            self._told = moment
            self.sender.send({"kind": "progress", "progress": self._progress(step.epoch, step.step / step.steps, run)})

    def _report(self, event: EpochReport, run: TrainingRun) -> None:
        moment = time.monotonic()
        seconds, training = moment - self._epoch_began, max(self._steps_ended - self._epoch_began, 1e-9)
        rows = run.plan.bounds(self._steps - 1)[1]
        self._epoch_began = self._steps_ended = moment
        measured = {"train": event.train, "train_eval": event.train_eval, "validation": event.validation}
        report = {
            "epoch": event.epoch,
            "learning_rate": event.learning_rate,
            "seconds": round(seconds, 6),
            "rows_per_second": round(rows / training, 1),
            **measured,
        }
        last = {"epoch": event.epoch, **measured}
        self._best = last if event.best else self._best
        progress = {**self._progress(event.epoch, 1.0, run), "rows_per_second": report["rows_per_second"]}
        self.sender.send(
            {
                "kind": "epoch",
                "report": report,
                "rows": rows,
                "progress": progress,
                "metrics": {"last": last, "best": self._best},
            }
        )
        self._say_why_it_ends(event, run)

    def _say_why_it_ends(self, event: EpochReport, run: TrainingRun) -> None:
        everything = event.epoch == self.settings.epochs and self._steps == run.step.steps
        if event.stopped:
            self._log(f"early stopping after epoch {event.epoch}")
        elif run.step.finish and not everything:
            self._log(f"max_seconds reached after epoch {event.epoch}")

    def _progress(self, epoch: int, part: float, run: TrainingRun) -> dict[str, Any]:
        epochs = self.settings.epochs
        fraction = (epoch - 1 + part) / epochs
        elapsed = time.monotonic() - self._began
        return {
            "epoch": epoch,
            "epochs": epochs,
            "fraction": round(fraction, 6),
            "seconds_left": round(elapsed * (1 - fraction) / fraction, 1) if fraction else None,
            "rows_per_second": round(run.data.rows * fraction * epochs / elapsed, 1),
        }

    def _time_is_over(self, moment: float) -> bool:
        return self.settings.max_seconds is not None and moment - self._began > self.settings.max_seconds

    def _pulse(self) -> None:
        """Says that work goes on where it has nothing else to say."""
        moment = time.monotonic()
        if moment - self._told > PULSE_SECONDS:
            self._told = moment
            self.sender.send({"kind": "alive"})

    def _log(self, message: str) -> None:
        # An attempt that repeats what one before it did does not say it again.
        self.sender.send({"kind": "log", "message": message, "once": True})

    def _seed(self) -> int:
        assert self.settings.seed is not None, "a seed is drawn when a run is submitted"
        return self.settings.seed

    def _device(self) -> torch.device:
        available = torch.cuda.is_available()
        if self.settings.device == "cuda" and not available:
            raise InvalidSettings("this worker has no CUDA device", code="device_unavailable")
        return torch.device("cuda" if available and self.settings.device != "cpu" else "cpu")

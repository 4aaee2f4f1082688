"""What training tells its caller, and the one thing that a caller may tell it."""

from dataclasses import dataclass
from typing import Literal

from app.domain.training.metrics import Metrics

Phase = Literal["training", "statistics"]


@dataclass(slots=True)
class Step:
    """Where training stands: one object, used again for every step.

    In the phase "training", `step` of the epoch's `steps` are done; epochs count from 1. In the phase "statistics",
    `step` of `steps` batches of the population statistics are done; it opens with 0, the served weights in place and
    their running statistics still as training left them. `epoch` is then one past the last.

    A caller that sets `finish` ends training after this step: its epoch is reported over the steps it had, the best
    weights and the population statistics follow as ever. `finish` is a wish of the caller's and no part of the state.
    """

    steps: int
    epoch: int = 1
    step: int = 0
    phase: Phase = "training"
    finish: bool = False


@dataclass(frozen=True, slots=True)
class EpochReport:
    """An epoch's metrics: `loss`, and `accuracy` or errors in the target's own units.

    `train` is what the optimiser saw (dropout on, batch statistics), averaged over rows; `train_eval` is the same rows
    in eval mode; `validation` is the held-out rows in eval mode, empty where there are none. `best`: no epoch was
    better yet, by the monitored metric. `stopped`: early stopping ends training here.
    """

    epoch: int
    learning_rate: float
    train: Metrics
    train_eval: Metrics
    validation: Metrics
    best: bool
    stopped: bool

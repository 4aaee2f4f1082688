"""Seconds an epoch: this project's loop, the usual PyTorch loop, and Keras's `fit` on its torch back end.

All three on one thread, in turns within one run, medians of the rounds. `python -m benchmarks.training [rounds]`.
Keras gets an environment of its own, `.venv-keras`, which is made where it is missing.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from app.domain.network.spec import NetworkSpec
from app.domain.plan.batches import plan_batches
from app.domain.plan.settings import TrainingSettings
from app.domain.training.build import build
from app.domain.training.data import TrainingData
from app.domain.training.events import EpochReport
from app.domain.training.loop import train
from app.domain.training.run import start
from benchmarks.works import WORKS, Work

ROOT = Path(__file__).resolve().parent.parent
KERAS = ROOT / ".venv-keras"
TORCH_INDEX_URL = "https://download.pytorch.org/whl/cpu"


def ours(work: Work) -> Iterator[tuple[float, float]]:
    """For each epoch: seconds of its optimisation steps, and of the whole with both evaluations."""
    spec = NetworkSpec.model_validate({"input_shape": [work.inputs], "layers": work.layers})
    settings = TrainingSettings.model_validate({"seed": 1, "epochs": 100_000})
    data = work.data()
    held_out = TrainingData(data.features[: work.rows // 4], data.targets[: work.rows // 4])
    run = start(build(spec, 1), data, plan_batches(work.rows, work.batch_size), settings, validation=held_out)
    began = stepped = time.perf_counter()
    for event in train(run):
        if not isinstance(event, EpochReport):
            stepped = time.perf_counter()
            continue
        yield stepped - began, time.perf_counter() - began
        began = time.perf_counter()


def usual_network(work: Work) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = work.inputs
    for layer in work.layers[:-1]:
        match layer["type"]:
            case "dense":
                layers.append(nn.Linear(width, layer["units"], bias=layer["use_bias"]))
                width = layer["units"]
            case "batch_normalization":
                layers.append(nn.BatchNorm1d(width))
            case "activation":
                layers.append(nn.ReLU())
            case "dropout":
                layers.append(nn.Dropout(layer["rate"]))
    return nn.Sequential(*layers)


def usual(work: Work) -> Iterator[float]:
    """For each epoch: seconds of its optimisation steps, in the loop that tutorials show."""
    data = work.data()
    loader = DataLoader(TensorDataset(data.features, data.targets), batch_size=work.batch_size, shuffle=True)
    model = usual_network(work)
    optimizer = torch.optim.Adam(model.parameters())
    criterion = nn.CrossEntropyLoss()
    while True:
        began = time.perf_counter()
        model.train()
        loss_sum = correct = 0.0
        for features, targets in loader:
            optimizer.zero_grad()
            logits = model(features)
            loss = criterion(logits, targets)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(targets)
            correct += (logits.argmax(1) == targets).sum().item()
        yield time.perf_counter() - began


class Keras:
    """Keras in a process of its own, which answers how long epochs took."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [keras_python(), ROOT / "benchmarks" / "keras_side.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )

    def epochs(self, work: Work) -> list[float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(work)) + "\n")
        self._process.stdin.flush()
        seconds: list[float] = json.loads(self._process.stdout.readline())["seconds"]
        return seconds

    def close(self) -> None:
        self._process.communicate()


def keras_python() -> Path:
    python = KERAS / "bin" / "python"
    if not (KERAS / ".installed").exists():
        venv.create(KERAS, with_pip=True)
        # The CPU build, unless a folder of wheels holds PyTorch: as the Makefile does it.
        held = any(list(Path(folder).glob("torch-*.whl")) for folder in os.environ.get("PIP_FIND_LINKS", "").split())
        index = [] if held else ["--extra-index-url", os.environ.get("TORCH_INDEX_URL", TORCH_INDEX_URL)]
        packages = ["keras==3.15.1", "torch==2.13.0", "numpy"]
        subprocess.run([python, "-m", "pip", "install", "-q", *index, *packages], check=True)
        (KERAS / ".installed").touch()
    return python


@dataclass(frozen=True)
class Result:
    """Median seconds an epoch."""

    steps: float
    whole: float
    usual: float
    keras: float


def compare(work: Work, keras: Keras, rounds: int) -> Result:
    """All three in turns, in another order each round. The first round, and each turn's first epoch, warm up."""
    mine, theirs = ours(work), usual(work)
    seconds: dict[str, list[float]] = {"steps": [], "whole": [], "usual": [], "keras": []}

    def take_ours() -> None:
        pairs = [next(mine) for _ in range(work.epochs)][1:]
        seconds["steps"] += [steps for steps, _ in pairs]
        seconds["whole"] += [whole for _, whole in pairs]

    def take_usual() -> None:
        seconds["usual"] += [next(theirs) for _ in range(work.epochs)][1:]

    def take_keras() -> None:
        seconds["keras"] += keras.epochs(work)[1:]

    sides = [take_ours, take_usual, take_keras]
    for turn in range(rounds + 1):
        if turn == 1:
            seconds.update({name: [] for name in seconds})
        for place in range(len(sides)):
            sides[(turn + place) % len(sides)]()
    return Result(**{name: statistics.median(values) for name, values in seconds.items()})


def main() -> None:
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    keras = Keras()
    print(f"torch {torch.__version__}, one thread, milliseconds an epoch, medians of {rounds} rounds\n")
    print(
        "| network | rows, batch | ours, steps | usual PyTorch loop | Keras `fit` | ours / usual | ours / Keras "
        "| ours, with both evaluations |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for work in WORKS:
        result = compare(work, keras, rounds)
        print(
            f"| {work.name} | {work.rows:,}, {work.batch_size} | {result.steps * 1e3:.1f} | {result.usual * 1e3:.1f} "
            f"| {result.keras * 1e3:.1f} | {result.steps / result.usual:.2f} | {result.steps / result.keras:.2f} "
            f"| {result.whole * 1e3:.1f} |",
            flush=True,
        )
    keras.close()


if __name__ == "__main__":
    main()

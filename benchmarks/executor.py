"""What executes a frozen network, and in tiles of how many rows: numpy, ONNX Runtime or torch, all on one thread.

`python -m benchmarks.executor` prints a Markdown table. "one row" is the time to answer a single row, padding
included; "a row of 256" is the time a row in a request of 256. "bits" counts rows, of 256, whose answer alone or
shuffled differs from their answer in the batch. The tile rule of `app.domain.inference.tiles` comes from here.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from app.domain.data.preprocessing import ClassTarget
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.tiles import answer_in_tiles, multiplications, tile_rows
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import Network, build
from app.domain.training.fold import Affine, folded_steps
from app.domain.training.freeze import freeze

Floats = NDArray[np.float32]
ROWS = 256
TILES = (1, 4, 8, 16, 32)
WIDTHS = ((30, 64, 64, 2), (13, 256, 64, 3), (64, 256, 256, 10), (784, 256, 256, 10), (12_288, 16, 32, 64, 3))


def network(widths: tuple[int, ...]) -> Network:
    """Dense, batch norm, relu, dropout for each hidden width."""
    hidden = [
        layer
        for units in widths[1:-1]
        for layer in (
            {"type": "dense", "units": units, "use_bias": False},
            {"type": "batch_normalization"},
            {"type": "activation", "function": "relu"},
            {"type": "dropout", "rate": 0.5},
        )
    ]
    spec = NetworkSpec.model_validate({"layers": [*hidden, {"type": "dense", "units": widths[-1]}]})
    built = build(spec.resolved((widths[0],), Task.CLASSIFICATION, widths[-1]), seed=1)
    return built.eval()


def with_numpy(built: Network) -> Callable[[Floats], Floats]:
    """Dense layers with relu between them and a softmax behind, as numpy writes them."""
    steps = [step for _, step in folded_steps(built) if isinstance(step, Affine)]
    pairs = [
        (step.weight.astype(np.float32), np.zeros(1, np.float32) if step.bias is None else step.bias.astype(np.float32))
        for step in steps
    ]

    def execute(rows: Floats) -> Floats:
        for weight, bias in pairs[:-1]:
            rows = np.maximum(rows @ weight + bias, 0)
        logits = rows @ pairs[-1][0] + pairs[-1][1]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        answer: Floats = powers / powers.sum(axis=1, keepdims=True)
        return answer

    return execute


def with_torch(built: Network) -> Callable[[Floats], Floats]:
    def execute(rows: Floats) -> Floats:
        with torch.inference_mode():
            answer: Floats = built.answer(torch.from_numpy(rows)).numpy()
        return answer

    return execute


def in_tiles(execute: Callable[[Floats], Floats], tile: int, outputs: int) -> Callable[[Floats], Floats]:
    return lambda rows: answer_in_tiles(execute, rows, tile, outputs)


def microseconds(work: Callable[[], object]) -> float:
    """The best of several rounds, so that a busy machine counts little."""
    work()
    calls, best = 1, float("inf")
    for _ in range(8):
        start = perf_counter()
        for _ in range(calls):
            work()
        spent = perf_counter() - start
        best, calls = min(best, spent / calls), max(1, int(calls * 0.03 / max(spent, 1e-6)))
    return best * 1e6


def rows_that_differ(answer: Callable[[Floats], Floats], rows: Floats) -> int:
    together = answer(rows)
    alone = np.concatenate([answer(rows[row : row + 1]) for row in range(len(rows))])
    order = np.random.Generator(np.random.PCG64(1)).permutation(len(rows))
    return int(((together != alone) | (together != answer(rows[order])[np.argsort(order)])).any(axis=1).sum())


def line(name: str, tile: int | None, answer: Callable[[Floats], Floats], rows: Floats) -> str:
    one, many = microseconds(lambda: answer(rows[:1])), microseconds(lambda: answer(rows)) / len(rows)
    differ = rows_that_differ(answer, rows)
    return f"| {name} | {'none' if tile is None else tile} | {one:,.1f} | {many:,.2f} | {differ} |"


def main() -> None:
    torch.set_num_threads(1)
    for widths in WIDTHS:
        built = network(widths)
        rows = np.random.Generator(np.random.PCG64(0)).standard_normal((ROWS, widths[0]), dtype=np.float32)
        target = ClassTarget(name="y", labels=tuple(map(str, range(widths[-1]))))
        executors = {"numpy": with_numpy(built), "torch": with_torch(built)}
        chosen, work = tile_rows(built.spec), multiplications(built.spec)
        print(f"\n{'–'.join(map(str, widths))}: {work:,} multiplications a row, tile {chosen}\n")
        print("| executor | tile | one row, µs | a row of 256, µs | bits |\n|---|--:|--:|--:|--:|")
        for name, execute in executors.items():
            print(line(name, None, execute, rows))
            for tile in (1, 32):
                print(line(name, tile, in_tiles(execute, tile, widths[-1]), rows))
        for tile in TILES:
            print(line("ONNX Runtime", tile, FrozenNetwork(freeze(built, target, tile)).answer, rows))


if __name__ == "__main__":
    main()

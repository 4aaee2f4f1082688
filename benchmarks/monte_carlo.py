"""What uncertainty costs: a temperature, and 50 Monte Carlo passes of one row beside one eval-mode prediction.

`python -m benchmarks.monte_carlo [ROUNDS]` prints two Markdown tables. All sides run interleaved, a short while each in
every round; figures are medians over the rounds, in microseconds, and ratios are medians of the rounds' ratios. "Seed
at hand" is a call with the seed of the call before, whose masks are still there; "new seed" draws all masks anew.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import itertools
import statistics
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch

from app.domain.data.preprocessing import ClassTarget
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.monte_carlo import MonteCarloNetwork
from app.domain.inference.tiles import tile_rows
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.build import build
from app.domain.training.freeze import freeze, freeze_monte_carlo
from benchmarks.works import network

PASSES, TEMPERATURE = 50, 1.7
ROUND_SECONDS = 0.02
NETWORKS = {
    "12,288–16–32–64–3, batch norm and dropout 0.5": (
        12_288,
        3,
        network(3, [16, 32, 64], norm=True, rate=0.5),
    ),
    "12,288–16–32–64–3, dropout 0.3 on the input, then 0.5": (
        12_288,
        3,
        network(3, [16, 32, 64], norm=False, rate=0.5, input_rate=0.3),
    ),
    "30–64–64–2, batch norm and dropout 0.5": (30, 2, network(2, [64, 64], norm=True, rate=0.5)),
}
Sides = dict[str, Callable[[], object]]


def sides_of(inputs: int, classes: int, layers: list[dict[str, object]]) -> Sides:
    """What is timed for one network, all of it on the same single row."""
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((inputs,), Task.CLASSIFICATION, classes)
    built, tile = build(spec, seed=1).eval(), tile_rows(spec)
    target = ClassTarget(name="y", labels=tuple(map(str, range(classes))))
    plain, heated = (FrozenNetwork(freeze(built, target, tile, heat)) for heat in (1.0, TEMPERATURE))
    content = freeze_monte_carlo(built, target, TEMPERATURE)
    assert content is not None
    at_hand, anew = MonteCarloNetwork(content), MonteCarloNetwork(content)
    row, seeds = np.random.Generator(np.random.PCG64(0)).random((1, inputs), dtype=np.float32), itertools.count()
    return {
        "plain": lambda: plain.answer(row),
        "calibrated": lambda: heated.answer(row),
        "raw": lambda: heated.answer(row, calibrated=False),
        "at hand": lambda: at_hand.uncertain(row, samples=PASSES, seed=1),
        "anew": lambda: anew.uncertain(row, samples=PASSES, seed=next(seeds)),
    }


def microseconds(work: Callable[[], object]) -> float:
    """A call's time in one round."""
    start, calls = perf_counter(), 0
    while (spent := perf_counter() - start) < ROUND_SECONDS:
        work()
        calls += 1
    return spent / calls * 1e6


def timed(sides: Sides, rounds: int) -> dict[str, list[float]]:
    """The time of each side in every round, whichever comes first taking turns."""
    for work in sides.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        names = list(sides)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(microseconds(sides[name]))
    return times


def ratio(times: dict[str, list[float]], over: str, under: str) -> float:
    return statistics.median(a / b for a, b in zip(times[over], times[under], strict=True))


def main() -> None:
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found = {name: timed(sides_of(*given), rounds) for name, given in NETWORKS.items()}
    print(f"{rounds} rounds; a prediction of one row, and {PASSES} passes of one row\n")
    print("| network | eval mode, µs | passes, seed at hand, µs | ratio | passes, new seed, µs | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, times in found.items():
        middle = {side: statistics.median(values) for side, values in times.items()}
        print(
            f"| {name} | {middle['calibrated']:,.0f} | {middle['at hand']:,.0f} "
            f"| {ratio(times, 'at hand', 'calibrated'):.1f} | {middle['anew']:,.0f} "
            f"| {ratio(times, 'anew', 'calibrated'):.1f} |"
        )
    print("\n| network | no temperature, µs | calibrated, ratio | raw on request, ratio |\n|---|--:|--:|--:|")
    for name, times in found.items():
        print(
            f"| {name} | {statistics.median(times['plain']):.0f} | {ratio(times, 'calibrated', 'plain'):.2f} "
            f"| {ratio(times, 'raw', 'plain'):.2f} |"
        )


if __name__ == "__main__":
    main()

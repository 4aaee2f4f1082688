"""What checkpoints cost. `python -m benchmarks.checkpoints [rounds]`.

The same run trained with checkpoints and without any but the one at the end of training, in turns; each figure is the
median of its rounds. *Time* is the ratio of the two whole attempts, from loading to the published files.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tests.worker.attempts import carried_out, order
from tests.worker.conftest import flowers
from tests.worker.workplace import LAYERS, Workplace

Json = dict[str, Any]
NEVER = 1e9
WIDE: Json = {"type": "dense", "units": 3000, "activation": "relu"}
LAST: Json = {"type": "dense"}


@dataclass(frozen=True)
class Work:
    """A network, how long it is trained, and the least time between its checkpoints."""

    name: str
    layers: list[Json]
    training: Json
    least_seconds: float


WORKS = (
    Work("707 weights, epochs of 3 ms", LAYERS, {"epochs": 4000, "batch_size": 64}, 5.0),
    Work("the same, as often as it may", LAYERS, {"epochs": 2000, "batch_size": 64}, 0.001),
    Work("9 million weights", [WIDE, WIDE, LAST], {"epochs": 40, "batch_size": 32}, 5.0),
)


def seconds(place: Workplace, dataset: str, work: Work, least: float, number: int) -> tuple[float, list[int]]:
    """How long an attempt took, and the size of each checkpoint."""
    wanted = order(place, dataset, {"layers": work.layers}, work.training, number, checkpoint_seconds=least)
    began = time.perf_counter()
    said, digests = carried_out(wanted)
    assert digests is not None
    return time.perf_counter() - began, [message["file"]["bytes"] for message in said.of("checkpoint")]


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    shown = Table("work", "seconds without", "checkpoints", "MB each", "time with, ratio")
    with tempfile.TemporaryDirectory(prefix="dropnorm-") as folder:
        place = Workplace(Path(folder))
        dataset = place.add(flowers())
        for place_in, work in enumerate(WORKS):
            pairs = []
            for turn in range(rounds):
                number = 100 * place_in + 2 * turn
                without, _ = seconds(place, dataset, work, NEVER, number)
                taken, sizes = seconds(place, dataset, work, work.least_seconds, number + 1)
                pairs.append((without, taken / without, len(sizes), sizes[0] / 1e6))
            without, ratio, count, size = (statistics.median(column) for column in zip(*pairs, strict=True))
            shown.add_row(work.name, f"{without:.1f}", f"{count:.0f}", f"{size:.2f}", f"{ratio:.3f}")
        place.database.close()
    Console(width=110).print(shown)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

"""How processes that share a port add up their metrics: by files in a folder, one set a place.

A process takes the first free place and gives it back by ending, however it ends; whoever takes it next goes on with
the figures in its files. So counters never go back, and files do not pile up with processes that die.
"""

import fcntl
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import Counter, Histogram, disable_created_metrics, values
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library looks for the folder; `app.main` sets it."""
MOST_PLACES = 1_000
OLDEST = "process_start_time_seconds"


def keep_in(folder: Path | None) -> None:
    """Has metrics that are made from now on kept in memory, or in the files of a place in `folder`."""
    # When a series began is a series more for each, and nobody asks for it.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    if folder is None:
        values.ValueClass = values.MutexValue
        return
    place = _take_place(folder)
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def adding(counter: Counter) -> Callable[[float], None]:
    """`counter.inc`, without its checks of what a caller here cannot get wrong: they cost more than the sum."""
    add: Callable[[float], None] = counter._value.inc
    return add


def observing(histogram: Histogram) -> Callable[[float], None]:
    """`histogram.observe` in the same way, and with no search from bucket to bucket."""
    total, buckets, bounds = histogram._sum, histogram._buckets, histogram._upper_bounds

    def observe(amount: float) -> None:
        total.inc(amount)
        buckets[bisect_left(bounds, amount)].inc(1)

    return observe


class Processes(Collector):
    """Processor time, memory and descriptors of all processes that share the port; their start is the oldest one's."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        together: dict[str, Metric] = {}
        for pid in [os.getpid()] if self._folder is None else _pids(self._folder):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                sum_up = min if metric.name == OLDEST else _plus
                before = together.get(metric.name)
                if before is not None:
                    (old,), (new,) = before.samples, metric.samples
                    metric.samples = [new._replace(value=sum_up(old.value, new.value))]
                together[metric.name] = metric
        return together.values()


def _plus(one: float, other: float) -> float:
    return one + other


def _take_place(folder: Path) -> int:
    """The first place that no living process holds; held until this one ends."""
    for number in range(MOST_PLACES):
        descriptor = os.open(folder / f"place-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return number
    raise RuntimeError(f"{MOST_PLACES} processes share the port already")


def _pids(folder: Path) -> Iterator[int]:
    for path in folder.glob("place-*"):
        text = path.read_text()
        if text.isdecimal():
            yield int(text)

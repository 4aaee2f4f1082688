"""What Triton's statistics tell of each model version: since this process began, of this process alone."""

import time
from collections import OrderedDict
from typing import NamedTuple

from app.serving.catalogue import Served
from app.serving.executions import Executed

MOST = 1_000
"""Versions that are counted at once; of more, those that were asked longest ago are forgotten."""
Json = dict[str, object]


class Timing(NamedTuple):
    """Nanoseconds of one request: in all, for reading it, for its answers (and waiting for them), for writing."""

    whole: int
    input: int
    infer: int
    output: int


class Counts:
    """Of one version. Lives on one event loop."""

    __slots__ = (
        "failed",
        "failed_ns",
        "infer_ns",
        "input_ns",
        "last",
        "output_ns",
        "succeeded",
        "whole_ns",
    )

    def __init__(self) -> None:
        self.succeeded = self.failed = 0
        self.whole_ns = self.input_ns = self.infer_ns = self.output_ns = self.failed_ns = 0
        self.last = 0.0

    def success(self, timing: Timing) -> None:
        self.last = time.time()
        self.succeeded += 1
        self.whole_ns += timing.whole
        self.input_ns += timing.input
        self.infer_ns += timing.infer
        self.output_ns += timing.output

    def failure(self, nanoseconds: int) -> None:
        self.failed += 1
        self.failed_ns += nanoseconds

    def document(self, model: str, version: int, executed: Executed) -> Json:
        """As `GET /v2/models/{model}/stats` has it. The durations are of this protocol's requests alone."""
        return {
            "name": model,
            "version": str(version),
            "last_inference": int(self.last * 1000),
            "inference_count": executed.rows,
            "execution_count": executed.times,
            "inference_stats": {
                "success": _duration(self.succeeded, self.whole_ns),
                "fail": _duration(self.failed, self.failed_ns),
                "queue": _duration(self.succeeded, 0),
                "compute_input": _duration(self.succeeded, self.input_ns),
                "compute_infer": _duration(self.succeeded, self.infer_ns),
                "compute_output": _duration(self.succeeded, self.output_ns),
                "cache_hit": _duration(0, 0),
                "cache_miss": _duration(0, 0),
            },
            "response_stats": {},
            "batch_stats": [],
            "memory_usage": [],
        }


class Statistics:
    """Of all versions that were asked by this protocol."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Served, Counts] = OrderedDict()

    def of(self, served: Served) -> Counts:
        """The counts of a version, to be added to."""
        found = self._counts.get(served)
        if found is None:
            found = self._counts[served] = Counts()
            while len(self._counts) > MOST:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(served)
        return found

    def known(self, served: Served) -> Counts:
        """The counts of a version, to be told; all of them nought for one that was not asked."""
        return self._counts.get(served) or Counts()

    def asked(self, project: str) -> list[Served]:
        """The versions of a project's models that were asked."""
        return [served for served in self._counts if served.project == project]


def _duration(count: int, nanoseconds: int) -> Json:
    return {"count": count, "ns": nanoseconds}

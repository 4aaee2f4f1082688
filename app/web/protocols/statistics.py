"""What Triton's statistics tell of each model version: since this process began, of this process alone."""

import time
from collections import OrderedDict
from typing import NamedTuple

from app.serving.catalogue import Served

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
        "executions",
        "failed",
        "failed_ns",
        "infer_ns",
        "input_ns",
        "last",
        "output_ns",
        "rows",
        "succeeded",
        "whole_ns",
    )

    def __init__(self) -> None:
        self.rows = self.executions = self.succeeded = self.failed = 0
        self.whole_ns = self.input_ns = self.infer_ns = self.output_ns = self.failed_ns = 0
        self.last = 0.0

    def success(self, rows: int, timing: Timing) -> None:
        self.last = time.time()
        self.rows += rows
        self.succeeded += 1
        self.whole_ns += timing.whole
        self.input_ns += timing.input
        self.infer_ns += timing.infer
        self.output_ns += timing.output

    def failure(self, nanoseconds: int) -> None:
        self.failed += 1
        self.failed_ns += nanoseconds

    def document(self, model: str, version: int) -> Json:
        """As `GET /v2/models/{model}/stats` has it."""
        return {
            "name": model,
            "version": str(version),
            "last_inference": int(self.last * 1000),
            "inference_count": self.rows,
            "execution_count": self.executions,
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
        self._counts: OrderedDict[tuple[str, str, int], Counts] = OrderedDict()

    def of(self, served: Served) -> Counts:
        """The counts of a version, to be added to."""
        key = (served.project, served.model or "", served.version or 0)
        found = self._counts.get(key)
        if found is None:
            found = self._counts[key] = Counts()
            while len(self._counts) > MOST:
                self._counts.popitem(last=False)
        return found

    def known(self, project: str, model: str, version: int) -> Counts:
        """The counts of a version, to be told; all of them nought for one that was not asked."""
        return self._counts.get((project, model, version)) or Counts()

    def asked(self, project: str) -> list[tuple[str, int]]:
        """Models and versions of a project that were asked."""
        return [(model, version) for owner, model, version in self._counts if owner == project]


def _duration(count: int, nanoseconds: int) -> Json:
    return {"count": count, "ns": nanoseconds}

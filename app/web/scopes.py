"""What a request needs to be let in: nothing for a closed table of paths, a scope of its key for all else."""

import re

PROBES = frozenset({"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version"})
"""What clients of other servers ask to know whether this one lives, by the names that it has there."""
OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json", *PROBES})
"""Answered without a key, to GET and HEAD alone: health, readiness, the documentation. Nothing here tells of data."""
OPEN_FOLDER = "/docs/assets/"
OPERATORS = frozenset({"/metrics"})
"""Of the whole service and not of one project: for keys of the project `default` alone."""
PREDICT = "predict"
READING = frozenset({"GET", "HEAD"})
_KEYS = "/api/v1/keys"
_PREDICTING = ("/api/v1/models/", "/api/v1/runs/")
INVOCATIONS = ("POST", "/invocations")
READ_BY_POST = "/v2/repository/index"
"""Changes nothing: Triton's clients read it by a POST."""
_INFER = re.compile(r"/v2/models/[^/]+(?:/versions/[^/]+)?/infer")
_TENSORFLOW = re.compile(r"/v1/models/.+:(?:predict|classify|regress)")


def needed(method: str, path: str) -> str | None:
    """The scope that a request needs; None where it needs no key. A path that nobody knows needs one too."""
    if method in READING and (path in OPEN or path.startswith(OPEN_FOLDER)):
        return None
    if path == _KEYS or path.startswith(_KEYS + "/"):
        return "admin"
    if method == "POST":
        if path.endswith("/predict") and path.startswith(_PREDICTING):
            return PREDICT
        if (method, path) == INVOCATIONS or _INFER.fullmatch(path) or _TENSORFLOW.fullmatch(path):
            return PREDICT
        if path == READ_BY_POST:
            return "read"
    return "read" if method in READING else "train"


def inflates(method: str, path: str) -> bool:
    """Whether a body may come compressed: as the clients of the Open Inference Protocol send tensors, and no other."""
    return method == "POST" and _INFER.fullmatch(path) is not None

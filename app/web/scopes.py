"""What a request needs to be let in: nothing for a closed table of paths, a scope of its key for all else."""

OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
"""Answered without a key, to GET and HEAD alone: health, readiness, the documentation. Nothing here tells of data."""
OPEN_FOLDER = "/docs/assets/"
OPERATORS = frozenset({"/metrics"})
"""Of the whole service and not of one project: for keys of the project `default` alone."""
PREDICT = "predict"
READING = frozenset({"GET", "HEAD"})
_KEYS = "/api/v1/keys"
_PREDICTING = ("/api/v1/models/", "/api/v1/runs/")


def needed(method: str, path: str) -> str | None:
    """The scope that a request needs; None where it needs no key. A path that nobody knows needs one too."""
    if method in READING and (path in OPEN or path.startswith(OPEN_FOLDER)):
        return None
    if path == _KEYS or path.startswith(_KEYS + "/"):
        return "admin"
    if method == "POST" and path.endswith("/predict") and path.startswith(_PREDICTING):
        return PREDICT
    return "read" if method in READING else "train"

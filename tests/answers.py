"""What every answer of the service must be: strict JSON, and a problem document where something is wrong."""

import json
from typing import Any

import httpx

PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "errors"}
INNER = ("Traceback", 'File "', "site-packages", "sqlite", "SELECT ", "INSERT ", "/home/", "/tmp/", "/work/")
"""Words that only the inside of the service knows."""


def strict_json(response: httpx.Response) -> Any:
    """The answer's JSON; NaN and Infinity are refused, and so are keys that stand twice."""

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} stands in an answer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key stands twice in an answer"
        return dict(pairs)

    return json.loads(response.content.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)


def expect_problem(response: httpx.Response, status: int | tuple[int, ...], code: str | None = None) -> dict[str, Any]:
    """The problem document of an answer with `status` and, if given, `code`; it tells nothing of the server's own."""
    allowed = (status,) if isinstance(status, int) else status
    assert response.status_code in allowed, f"{response.status_code}, not {allowed}: {response.text[:1000]}"
    assert response.headers["content-type"] == "application/problem+json"
    document = strict_json(response)
    assert isinstance(document, dict)
    assert set(document) == PROBLEM_KEYS
    assert document["status"] == response.status_code
    assert document["detail"]
    assert all(set(field) == {"pointer", "message", "received"} for field in document["errors"])
    assert len(response.content) < 20_000
    for word in INNER:
        assert word not in response.text, f"an answer tells of the inside: {response.text[:1000]}"
    if code is not None:
        assert document["code"] == code, document
    return document


def pointers(document: dict[str, Any]) -> list[str]:
    """Which fields a problem names."""
    return [field["pointer"] for field in document["errors"]]

"""What every answer of the service must be: strict JSON, and a problem document where something is wrong.

On the paths of protocols that others already speak, a failure has the form that their clients look for.
"""

import json
from typing import Any

import httpx

_SCORING = {"error_code", "message"}
FORMS = {"/v1": {"error"}, "/v2": {"error"}}
FORMS |= dict.fromkeys(("/invocations", "/ping", "/health", "/version"), _SCORING)
"""The keys of a failure by the first part of its path."""
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


def form_at(path: str) -> set[str] | None:
    """The keys of a failure at a path of another protocol; None where it is a problem document."""
    return FORMS.get("/" + path.partition("?")[0].split("/")[1]) if path.startswith("/") else None


def expect_failure(response: httpx.Response, status: int | tuple[int, ...], words: str = "") -> str:
    """What a failure of another protocol says, in the form of its path; it holds `words`, and nothing of the inside."""
    allowed = (status,) if isinstance(status, int) else status
    assert response.status_code in allowed, f"{response.status_code}, not {allowed}: {response.text[:500]}"
    assert response.headers["content-type"] == "application/json"
    document = strict_json(response)
    assert set(document) == form_at(response.request.url.path), document
    said = str(document.get("error") or document.get("message"))
    assert said
    assert words in said, said
    assert len(response.content) < 5_000
    for word in INNER:
        assert word not in response.text, f"an answer tells of the inside: {response.text[:1000]}"
    return said


def expect_refusal(response: httpx.Response, status: int | tuple[int, ...], code: str | None = None) -> None:
    """A failure in the form of its path, whichever that is; `code` stands in problem documents alone."""
    if form_at(response.request.url.path) is None:
        expect_problem(response, status, code)
    else:
        expect_failure(response, status)


def pointers(document: dict[str, Any]) -> list[str]:
    """Which fields a problem names."""
    return [field["pointer"] for field in document["errors"]]

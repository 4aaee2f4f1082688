"""Failures in the forms of the protocols: each tells what was wrong, and nothing of the inside."""

from typing import Any

import httpx

from tests.answers import INNER, strict_json

FORMS = {"/v2": {"error"}, "/v1": {"error"}, "/invocations": {"error_code", "message"}}
FORMS |= dict.fromkeys(("/ping", "/health", "/version"), FORMS["/invocations"])


def form_at(path: str) -> set[str] | None:
    """The keys of a failure at a path; None where it is a problem document."""
    first = "/" + path.split("?")[0].split("/")[1]
    return FORMS.get(first)


def expect_failure(answer: httpx.Response, status: int | tuple[int, ...], words: str = "") -> str:
    """What a failure in its path's form says; it holds `words`."""
    allowed = (status,) if isinstance(status, int) else status
    assert answer.status_code in allowed, f"{answer.status_code}, not {allowed}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = strict_json(answer)
    assert set(document) == form_at(answer.request.url.path), document
    said = str(document.get("error") or document.get("message"))
    assert said
    assert words in said, said
    assert len(answer.content) < 5_000
    for word in INNER:
        assert word not in answer.text, f"an answer tells of the inside: {answer.text[:1000]}"
    return said

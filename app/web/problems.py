"""What the OpenAPI document says of failures: each status with its meaning and the form of its body."""

from typing import Any

MEANINGS = {
    400: "The body cannot be read (broken JSON, NaN, a key that stands twice), or the Host is not allowed.",
    403: "The key lacks the scope.",
    404: "Unknown, or not yours.",
    409: "The state forbids it.",
    413: "Too large.",
    415: "The media type is not accepted.",
    422: "Understood, but not valid; the fields are named.",
    429: "As many runs are unfinished, or requests or uploads under way, as may be; try again after `Retry-After`.",
    503: "Not ready, or shedding load; try again after `Retry-After` seconds.",
    507: "The disk is full, or all that the project may store is stored.",
}
EXAMPLE = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "/layers/2/rate: Input should be less than 1",
    "code": "invalid",
    "errors": [{"pointer": "/layers/2/rate", "message": "Input should be less than 1", "received": "1.5"}],
}
NULL = "(null)"
ANY_OTHER: dict[str, Any] = {
    "description": "Any other failure: a Host that is not allowed (400), no key or one that holds no more (401), a key "
    "that lacks the scope or a page of another origin (403), a body that comes too slowly (408), more than the key may "
    "ask for at once (429), not ready or no room left (503, 507).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def problems(*statuses: int, example: Any = None, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: its possible failures, and an example of its answer with `status`."""
    described: dict[int | str, dict[str, Any]] = {
        number: {
            "description": MEANINGS[number],
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": EXAMPLE if number == 422 else None,
                }
            },
        }
        for number in statuses
    }
    for answer in described.values():
        if answer["content"]["application/problem+json"]["example"] is None:
            del answer["content"]["application/problem+json"]["example"]
    if example is not None:
        described[status] = {"content": {"application/json": {"example": kept(example)}}}
    return described


def kept(example: Any) -> Any:
    """`example` with its nulls under a name, for FastAPI leaves nulls out of the document, examples included."""
    return _replaced(example, None, NULL)


def restored(document: Any) -> Any:
    """The inverse of `kept`."""
    return _replaced(document, NULL, None)


def _replaced(value: Any, old: str | None, new: str | None) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(part, old, new) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, old, new) for part in value]
    return new if value == old else value

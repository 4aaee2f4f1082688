"""How a failure is told to the clients of each protocol: the one table of paths and forms.

A failure on a path of ours is a problem document; clients of other servers look for their own server's form, and lose
the message of any other.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from orjson import dumps
from starlette.responses import Response

from app.errors import FieldError
from app.web.errors import HEADERS, Form, clean, problem

TRITON_STATUS = {409: 400, 415: 501, 422: 400, 507: 503}
TENSORFLOW_STATUS = {422: 400, 507: 503}
SCORING_STATUS = {422: 400, 507: 503}
"""Statuses that a protocol has another word for; all others are as everywhere."""
SCORING_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


def triton(status: int, code: str, detail: str, fields: Sequence[FieldError] = ()) -> Response:
    """`{"error": "…"}`, as Triton and KServe tell it."""
    answer = _json(TRITON_STATUS.get(status, status), {"error": detail})
    if code == "encoding_unsupported":
        answer.headers["Accept-Encoding"] = "gzip, deflate"
    return answer


def tensorflow(status: int, code: str, detail: str, fields: Sequence[FieldError] = ()) -> Response:
    """`{"error": "…"}`, as TensorFlow Serving tells it."""
    return _json(TENSORFLOW_STATUS.get(status, status), {"error": detail})


def scoring(status: int, code: str, detail: str, fields: Sequence[FieldError] = ()) -> Response:
    """`{"error_code": "…", "message": "…"}`, as MLflow tells it, without what its server tells of its inside."""
    status = SCORING_STATUS.get(status, status)
    return _json(status, {"error_code": SCORING_CODES.get(status, "BAD_REQUEST"), "message": detail})


FORMS: tuple[tuple[str, Form], ...] = (
    ("/v2", triton),
    ("/v1", tensorflow),
    ("/invocations", scoring),
    ("/ping", scoring),
    ("/health", scoring),
    ("/version", scoring),
)
"""By the first part of a path."""


def form_of(path: str) -> Form:
    """The form of failures at a path; `problem` on every path that is none of a protocol's."""
    for first, form in FORMS:
        if path.startswith(first) and (len(path) == len(first) or path[len(first)] == "/"):
            return form
    return problem


def _json(status: int, body: Mapping[str, str]) -> Response:
    held = {name: clean(text) for name, text in body.items()}
    return Response(dumps(held), HTTPStatus(status), HEADERS.get(status), media_type="application/json")

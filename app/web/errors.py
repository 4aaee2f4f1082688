"""One table: failure → status. Everything that goes wrong is answered as a problem document (RFC 9457)."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from orjson import dumps
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from app import errors
from app.errors import DropnormError, FieldError, shown
from app.web.fields import invalid

STATUS: dict[type[DropnormError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.Invalid: 422,
    errors.QuotaExceeded: 429,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
Form = Callable[[int, str, str, Sequence[FieldError]], Response]
"""Of a status, a code, a sentence and fields: the failure as a family of paths tells it. `problem` is the usual one."""
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="dropnorm"'},
    # What is still to come of the body is not waited for.
    408: {"Connection": "close"},
    429: {"Retry-After": "5"},
    503: {"Retry-After": "2"},
}
_LOG = logging.getLogger("dropnorm.web")


def problem(status: int, code: str, detail: str, fields: Sequence[FieldError] = ()) -> Response:
    """A problem document. `detail` and `fields` must hold nothing of the server's own."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [
            {"pointer": field.pointer, "message": field.message, "received": field.received} for field in fields
        ],
    }
    return Response(dumps(clean(body)), status, HEADERS.get(status), media_type="application/problem+json")


def answer_of(error: DropnormError, form: Form = problem) -> Response:
    """A named failure as `form` tells it; one that is not in the table is the service's own fault."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return form(STATUS[kind], error.code, error.detail, error.errors)
    _LOG.error("a failure without a status: %s", error.code, exc_info=error)
    return form(500, error.code, "the service failed; the failure is in its log", ())


def clean(value: Any) -> Any:
    """`value` with lone surrogates made visible, so that it can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: clean(part) for key, part in value.items()}
    return [clean(part) for part in value] if isinstance(value, list) else value


def unexpected(form: Form = problem) -> Response:
    """The service's own fault as `form` tells it. Whatever stands around everything logs it in full."""
    return form(500, "internal", "the service failed; the failure is in its log", ())


def install(app: FastAPI) -> None:
    """Makes `app` answer every failure, unknown paths and methods included, as a problem document."""
    app.add_exception_handler(DropnormError, _named)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def _named(request: Request, error: Exception) -> Response:
    assert isinstance(error, DropnormError)
    return answer_of(error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer_of(invalid([{**part, "loc": part["loc"][1:]} for part in error.errors()]))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(404, "path_not_found", "there is nothing at this path")
    if error.status_code == 405:
        answer = problem(405, "method_not_allowed", f"{request.method} is not possible here")
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return answer
    return problem(error.status_code, "http_error", str(error.detail))


def _methods(request: Request) -> set[str]:
    """All that is possible at a path: the framework names the methods of the first route alone.

    A path that is written out in the document, as `/networks/check`, is not one with an id in that place.
    """
    written: dict[str, object] = request.app.openapi()["paths"].get(request.scope["path"], {})
    routes = request.app.router.routes
    found = {method for method in METHODS if method.lower() in written} or {
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    }
    return found | {"HEAD"} if "GET" in found else found


def _gone(request: Request, error: Exception) -> Response:
    _LOG.info("the client went away during %s", _asked(request.scope))
    # Nobody reads it; nginx's word for this.
    return Response(status_code=499)


def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected()


def _asked(scope: Scope) -> str:
    """The request's line for the log: a path may hold line ends and escapes of a terminal, which are written out."""
    return f"{scope['method']} {shown(scope['path'].encode('unicode_escape').decode('ascii'))}"

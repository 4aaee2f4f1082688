"""What every answer to a generated request must be, besides what Schemathesis itself holds it to."""

from typing import Any

import httpx
import schemathesis
from schemathesis import checks as known_checks
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.answers import expect_problem
from tests.fuzz.filling import FORM

CHECKS = [
    "server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "wrong_is_refused",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
    "problem_document",
]
CHECKS_WITHOUT_KEY = [
    "server_error",
    "status_code_conformance",
    "content_type_conformance",
    "problem_document",
    "refused",
]
NOT_READY = ("/readyz", 503)
"""The one failure that is no problem document: it says which part is not ready."""

Case = schemathesis.Case[APIOperation[Any, Any, Any, Any]]


def server_error(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Nothing that is sent is the service's fault, and nothing here is so much that load is shed."""
    status = response.status_code
    assert status < 500 or (case.path, status) == NOT_READY, f"answered {status}"


def problem_document(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Every failure is a problem document that tells nothing of the inside. Raises AssertionError."""
    status = response.status_code
    if status < 400 or response.request.method == "HEAD" or (case.path, status) == NOT_READY:
        return
    headers = {name: values[0] for name, values in response.headers.items() if name != "content-encoding"}
    expect_problem(httpx.Response(status, headers=headers, content=response.content), status)


def wrong_is_refused(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> bool | None:
    """What the document forbids is refused. Of a form that was written by hand Schemathesis cannot say that it is."""
    if case.media_type == FORM and isinstance(case.body, bytes):
        return None
    return negative_data_rejection(ctx, response, case)


def refused(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Without a key there is no answer but for what the document says needs none. Raises AssertionError."""
    # What is open is open for its own method.
    needs_key = case.operation.definition.raw["security"] != [] or case.method != case.operation.method.upper()
    assert (response.status_code == 401) == needs_key, f"answered {response.status_code} without a key"
    assert not needs_key or response.headers["www-authenticate"][0].startswith("Bearer")


def register() -> None:
    """Makes the checks known to Schemathesis by their names, once."""
    for check in (server_error, problem_document, wrong_is_refused, refused):
        if check.__name__ not in known_checks.CHECKS.get_all_names():
            schemathesis.check(check)

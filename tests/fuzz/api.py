"""Generated requests to every endpoint of a running service, made from its own OpenAPI document by Schemathesis.

Each answer is held to the document (status, media type, headers, schema), and each failure is a problem document. All
that is generated follows from one seed, so the same requests come again; what chance they meet in the service (ids,
the time) is its own.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import schemathesis
from schemathesis import checks as known_checks
from schemathesis.config import ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import unregister
from schemathesis.schemas import APIOperation

from tests.answers import expect_problem
from tests.fuzz.filling import Filling
from tests.fuzz.resources import Resources

CHECKS = [
    "server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "problem_document",
]
REQUEST_SECONDS = 60
STREAM_EVENTS = 20
EVENT_STREAM = "text/event-stream"
EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"enum": ["status", "epoch", "log", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}},
    },
}
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


def _with_events(document: dict[str, Any]) -> dict[str, Any]:
    """The document as Schemathesis reads it: for it, the schema of an event stream is that of each event."""
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                content = operation["responses"].get("200", {}).get("content", {})
                if EVENT_STREAM in content:
                    content[EVENT_STREAM]["schema"] = EVENT
    return document


@dataclass
class Asked:
    """What came of one pass over the document."""

    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(sum(counts.values()) for counts in self.statuses.values())

    def rows(self) -> Iterator[list[str]]:
        """The table: an endpoint, its requests, and how often each status was answered."""
        for label, counts in sorted(self.statuses.items()):
            told = " ".join(f"{status}:{count}" for status, count in sorted(counts.items()))
            yield [label, f"{sum(counts.values()):,}", told]

    def take(self, event: events.EngineEvent) -> None:
        """Notes what an event of the engine tells: requests with their answers, failed checks, its own troubles."""
        if isinstance(event, events.NonFatalError):
            self.errors.append(f"{event.label}: {event.info.format()}")
        if not isinstance(event, events.ScenarioFinished):
            return
        recorder = event.recorder
        for case_id, interaction in recorder.interactions.items():
            operation = recorder.cases[case_id].value.operation.label
            self.statuses[operation][interaction.response.status_code if interaction.response else 0] += 1
        for case_id, checked in recorder.checks.items():
            operation = recorder.cases[case_id].value.operation.label
            for check in checked:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    place = f"{operation}: {check.name}: {failure.title}"
                    text = f"{failure.message[:1_500]}\n    {check.failure_info.code_sample[:3_000]}"
                    self.failures.setdefault(place, text)


@contextmanager
def _hooked(filling: Filling, resources: Resources, seed: int) -> Iterator[None]:
    """Generated requests are filled before they are sent, and what they end is made again."""

    def before_call(context: schemathesis.HookContext, case: Case, kwargs: Mapping[str, Any]) -> None:
        known = (case.method, case.path, case.path_parameters, case.query, case.body)
        chance = Random(zlib.crc32(repr(known).encode("utf-8", "replace")) ^ seed)
        filling.path(case.method, case.path, case.path_parameters, chance)
        case.body, content_type = filling.body(case.path, case.media_type or "", case.body, chance)
        if content_type is not None:
            case.headers["Content-Type"] = content_type

    def after_call(context: schemathesis.HookContext, case: Case, response: schemathesis.Response) -> None:
        if response.status_code < 300:
            resources.renew(case.method, case.path)

    schemathesis.hook(before_call)
    schemathesis.hook(after_call)
    try:
        yield
    finally:
        unregister(before_call)
        unregister(after_call)


def ask(
    address: str,
    resources: Resources,
    *,
    seed: int,
    examples: int,
    seconds: int,
    phases: list[str],
    headers: dict[str, str] | None = None,
) -> Asked:
    """One pass: `examples` requests an endpoint and phase at most, `seconds` in all. `headers` go with each request."""
    project = ProjectConfig(
        base_url=address,
        headers=headers or {},
        request_timeout=REQUEST_SECONDS,
        max_stream_events=STREAM_EVENTS,
        continue_on_failure=True,
    )
    project.phases.update(phases=phases)
    project.generation.update(max_examples=examples, database="none", no_shrink=True)
    for check in (server_error, problem_document):
        if check.__name__ not in known_checks.CHECKS.get_all_names():
            schemathesis.check(check)
    project.checks.update(included_check_names=CHECKS)
    config = SchemathesisConfig(seed=seed, max_time=seconds, projects=ProjectsConfig(default=project))
    document = httpx.get(f"{address}/openapi.json", headers=headers).json()
    schema = schemathesis.openapi.from_dict(_with_events(document), config=config)
    asked = Asked()
    with _hooked(Filling(resources), resources, seed):
        for event in from_schema(schema).execute():
            asked.take(event)
    return asked

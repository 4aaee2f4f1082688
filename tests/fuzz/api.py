"""Generated requests to every endpoint of a running service, made from its own OpenAPI document by Schemathesis.

Each answer is held to the document (status, media type, headers, schema), and each failure is a problem document. All
that is generated follows from one seed, so the same requests come again; what chance they meet in the service (ids,
the time) is its own.
"""

import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import schemathesis
from schemathesis.config import ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import unregister

from tests.fuzz.checks import CHECKS, CHECKS_WITHOUT_KEY, Case, register
from tests.fuzz.filling import Filling
from tests.fuzz.resources import Resources

PHASES = ("examples", "coverage", "fuzzing")
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


@dataclass(frozen=True)
class Plan:
    """`examples` requests an endpoint and phase at most (what the document's bounds need comes on top), `seconds` in
    all. Without `authorization` no key is sent, and everything that needs one must be refused."""

    seed: int
    examples: int
    seconds: float
    phases: tuple[str, ...] = PHASES
    authorization: dict[str, str] | None = None

    def config(self, address: str) -> SchemathesisConfig:
        """This plan in Schemathesis's words."""
        project = ProjectConfig(
            base_url=address,
            headers=self.authorization or {},
            request_timeout=REQUEST_SECONDS,
            max_stream_events=STREAM_EVENTS,
            continue_on_failure=True,
        )
        project.phases.update(phases=list(self.phases))
        project.generation.update(
            max_examples=self.examples, database="none", no_shrink=True, with_security_parameters=False
        )
        register()
        project.checks.update(included_check_names=CHECKS if self.authorization else CHECKS_WITHOUT_KEY)
        return SchemathesisConfig(seed=self.seed, projects=ProjectsConfig(default=project))


def ask(address: str, resources: Resources, plan: Plan) -> Asked:
    """One pass over the document by `plan`; `resources` are renewed where they are ended."""
    document = httpx.get(f"{address}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(_with_events(document), config=plan.config(address))
    asked = Asked()
    until = time.monotonic() + plan.seconds
    with _hooked(Filling(resources), resources, plan.seed):
        stream = from_schema(schema).execute()
        for event in stream:
            asked.take(event)
            if time.monotonic() > until:
                stream.stop()
    return asked

"""What searches for faults finds those that are there."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.fuzz.api import Asked, Plan, ask
from tests.fuzz.arena import AUTHORIZATION
from tests.fuzz.readers import search
from tests.fuzz.resources import Resources

PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}}
ANSWER = {"application/json": {"schema": {"type": "object", "required": ["id"]}}}
OPERATION = {
    "security": [{"key": []}],
    "responses": {"200": {"description": "", "content": ANSWER}, "default": {"description": "", "content": PROBLEM}},
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "one that does not do as it says", "version": "1"},
    "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    "paths": {f"/{name}": {"get": OPERATION} for name in ("broken", "bare", "other")},
}
ANSWERS: dict[str, tuple[int, str, object]] = {
    "/openapi.json": (200, "application/json", DOCUMENT),
    "/api/v1/keys": (200, "application/json", {"items": [{"id": "key_own"}]}),
    "/broken": (500, "application/problem+json", {"detail": 'Traceback: File "/home/app.py"'}),
    "/bare": (404, "application/problem+json", {"detail": "nothing else"}),
    "/other": (200, "application/json", {"name": "no id"}),
}


class Wrong(BaseHTTPRequestHandler):
    """Answers what its document does not say, to whoever asks."""

    def do_GET(self) -> None:
        status, media_type, body = ANSWERS[self.path.partition("?")[0]]
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *parts: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def found(address: str, authorization: dict[str, str] | None) -> Asked:
    with httpx.Client(base_url=address) as client:
        plan = Plan(1, examples=2, seconds=30, phases=("fuzzing",), authorization=authorization)
        return ask(address, Resources(client), plan)


def test_answers_that_are_not_as_documented_are_found(address: str) -> None:
    failures = found(address, AUTHORIZATION).failures
    checks = {(place.split(": ")[0], place.split(": ")[1]) for place in failures}
    assert {
        ("GET /broken", "server_error"),
        ("GET /broken", "problem_document"),
        ("GET /bare", "problem_document"),
        ("GET /other", "response_schema_conformance"),
        ("GET /other", "ignored_auth"),
    } <= checks
    assert all("curl" in text for text in failures.values())


def test_an_answer_without_a_key_is_found(address: str) -> None:
    assert {place.split(": ")[1] for place in found(address, None).failures} >= {"refused"}


def test_a_fault_is_kept_once_a_place_and_the_search_goes_on(tmp_path: Path) -> None:
    guided = pytest.importorskip("tests.fuzz.guided", reason="atheris runs on Linux alone")

    def target(data: bytes) -> None:
        if data.startswith(b"bad"):
            raise ValueError

    watched = guided.watched(target, tmp_path)
    for data in (b"good", b"bad", b"bad again"):
        watched(data)
    assert [path.read_bytes() for path in tmp_path.glob("*.input")] == [b"bad"]
    assert "ValueError" in next(tmp_path.glob("*.txt")).read_text()


def test_a_search_sees_what_its_inputs_reach(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris runs on Linux alone")
    searched = search("array", 2, 1, tmp_path / "array")
    assert searched.faults == []
    assert searched.executions > 100
    assert searched.features > searched.places / 2 > 20

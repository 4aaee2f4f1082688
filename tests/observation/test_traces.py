"""Traces of a real service, at a real collector: requests, predictions, attempts; and none where none are wanted."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import network
from tests.observation.collector import Collector, collecting, values
from tests.service import EXAMPLES, Service, free_port
from tests.worker.processes import until

Json = dict[str, Any]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
QUESTION = {"instances": [{"island": "Biscoe"}]}
PREDICT = "POST /api/v1/models/{name}/predict"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("traced"), traces_endpoint=collector.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def run(traced: Service) -> Json:
    dataset = traced.upload(EXAMPLES / "penguins.csv", target="species")
    queued = traced.submit(dataset["id"], network("table"), model="traced", training={"epochs": 2, "seed": 1})
    return traced.ended(queued["id"])


def awaited(collector: Collector, name: str, **wanted: object) -> Span:
    """The one span of this name with these attributes."""
    found = until(
        lambda: [one for one in collector.named(name) if wanted.items() <= values(one.attributes).items()], 30
    )
    assert len(found) == 1
    return found[0]


def test_a_request_has_one_span_that_goes_on_with_the_clients_trace_and_its_work_is_below_it(
    traced: Service, collector: Collector, run: Json
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "traced-1"}
    assert traced.client.post("/api/v1/models/traced/predict?top=1", json=QUESTION, headers=headers).status_code == 200
    span = awaited(collector, PREDICT, **{"dropnorm.request.id": "traced-1"})
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert values(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/models/{name}/predict",
        "http.response.status_code": 200,
        "url.path": "/api/v1/models/traced/predict",
        "url.scheme": "http",
        "dropnorm.request.id": "traced-1",
    }
    (work,) = [one for one in collector.named("predict") if one.trace_id.hex() == TRACE]
    assert work.parent_span_id == span.span_id
    assert values(work.attributes) == {"dropnorm.model": "traced", "dropnorm.version": 1, "dropnorm.run": run["id"]}
    # FastAPI can trace by itself; then there would be two for one request.
    assert len([one for _, one in collector.spans if one.trace_id.hex() == TRACE]) == 2


def test_a_request_without_a_trace_begins_one_and_an_unknown_path_has_no_route(
    traced: Service, collector: Collector
) -> None:
    for parent in ("", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
        headers = {"traceparent": parent, "X-Request-ID": f"fresh-{len(parent)}"}
        assert traced.client.get("/nothing/here", headers=headers).status_code == 404
        span = awaited(collector, "GET", **{"dropnorm.request.id": f"fresh-{len(parent)}"})
        assert span.parent_span_id == b""
        assert "http.route" not in values(span.attributes)
        assert values(span.attributes)["http.response.status_code"] == 404


def test_each_attempt_of_a_run_is_a_span_of_its_worker(traced: Service, collector: Collector, run: Json) -> None:
    span = awaited(collector, "attempt", **{"dropnorm.run": run["id"]})
    told = values(span.attributes)
    assert (told["dropnorm.attempt"], told["dropnorm.outcome"]) == (1, "succeeded")
    assert span.status.code == Status.STATUS_CODE_UNSET
    services = {about["service.name"] for about, one in collector.spans if one.span_id == span.span_id}
    assert services == {"dropnorm-worker"}
    assert {about["service.namespace"] for about, _ in collector.spans} == {"dropnorm"}


def test_what_waits_at_the_end_is_sent(tmp_path: Path) -> None:
    with collecting() as collector, Service(tmp_path, workers="0", traces_endpoint=collector.endpoint) as service:
        assert service.client.get("/healthz", headers={"X-Request-ID": "last"}).status_code == 200
        assert service.stop() == 0
        assert [
            one for one in collector.named("GET /healthz") if values(one.attributes)["dropnorm.request.id"] == "last"
        ]


@pytest.mark.parametrize("away", ["nobody listens", "it never answers"])
def test_a_collector_that_is_away_costs_no_request_and_no_more_than_moments_at_the_end(
    tmp_path: Path, away: str
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if away == "it never answers":
            listener.listen()
        port = listener.getsockname()[1] if away == "it never answers" else free_port()
        with Service(tmp_path, workers="0", traces_endpoint=f"http://127.0.0.1:{port}/v1/traces") as service:
            for _ in range(200):
                assert service.client.get("/healthz").elapsed.total_seconds() < 2
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 15


def test_nothing_of_the_exporter_is_loaded_where_no_traces_are_wanted(service: Service) -> None:
    # The trainers have that library for other reasons: ONNX is written by it.
    processes = [service.pid, *(one.pid for one in psutil.Process(service.pid).children())]
    maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in processes)
    threads = Path(f"/proc/{service.pid}/task").iterdir()
    names = {(thread / "comm").read_text().strip() for thread in threads}
    assert "google/_upb" not in maps
    assert not {name for name in names if name.startswith("Otel")}

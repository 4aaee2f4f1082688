"""A collector of traces for tests: a real HTTP server that takes OTLP as protobuf and keeps the spans."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """`spans` are what came so far, with the resource that each came from; `pause` is how long each answer takes."""

    def __init__(self) -> None:
        self.spans: list[tuple[dict[str, object], Span]] = []
        self.pause = 0.0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(collector.pause)
                assert self.headers["Content-Type"] == "application/x-protobuf"
                for one in ExportTraceServiceRequest.FromString(body).resource_spans:
                    about = values(one.resource.attributes)
                    collector.spans += [(about, span) for scope in one.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *arguments: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"

    def named(self, name: str) -> list[Span]:
        return [span for _, span in self.spans if span.name == name]


def values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as a dictionary."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of loopback, until the block ends."""
    collector = Collector()
    serving = threading.Thread(target=collector.server.serve_forever, daemon=True)
    serving.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        serving.join(10)

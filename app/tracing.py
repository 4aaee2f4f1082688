"""Traces by OpenTelemetry, where an endpoint is configured: without one none of its SDK is loaded, and nothing is sent.

Spans are sent by a thread in the background, from a queue of bounded length: a collector that is slow or away costs
spans, and neither holds up nor fails anything.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

QUEUE, BATCH = 4_096, 512
SEND_EVERY_SECONDS, SEND_WITHIN_SECONDS, FLUSH_SECONDS = 2.0, 5.0, 3.0
LONGEST_PATH = 500
Attributes = dict[str, str | int | float | bool]


class RequestSpan:
    """The span of one request; what runs in its context is below it. `end` is called where it was made."""

    def __init__(self, span: "Span", token: "Token[Context]", method: str) -> None:
        self._span, self._token, self._method = span, token, method

    def end(self, route: str, status: int) -> None:
        """`route` is the template of the path; empty where there is none."""
        from opentelemetry import context
        from opentelemetry.trace import StatusCode

        if route:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        context.detach(self._token)


class Tracing:
    """Makes spans and sends them. Thread-safe."""

    def __init__(self, endpoint: str, service: str, version: str) -> None:
        """`endpoint` takes OTLP over HTTP, as `http://collector:4318/v1/traces`; `service` is this process's part."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._exporter = OTLPSpanExporter(endpoint, timeout=SEND_WITHIN_SECONDS)
        about: Attributes = {
            "service.namespace": "dropnorm",
            "service.name": service,
            "service.version": version,
            "process.pid": os.getpid(),
        }
        # Not flushed by the library at exit, which may take half a minute: `close` does so.
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=QUEUE,
                max_export_batch_size=BATCH,
                schedule_delay_millis=SEND_EVERY_SECONDS * 1000,
            )
        )
        self._tracer = self._provider.get_tracer("dropnorm", version)
        self._propagator = TraceContextTextMapPropagator()

    def request(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], request: str) -> RequestSpan:
        """The span of a request that begins: the client's trace goes on in it, if it names one (`traceparent`)."""
        from opentelemetry import context
        from opentelemetry.trace import SpanKind, set_span_in_context

        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._propagator.extract(carrier) if carrier else context.Context()
        attributes: Attributes = {
            "http.request.method": method,
            "url.path": path[:LONGEST_PATH],
            "url.scheme": "http",
            "dropnorm.request.id": request,
        }
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, attributes)
        return RequestSpan(span, context.attach(set_span_in_context(span, parent)), method)

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Attributes]:
        """A span around the block, below the one of its context. What is put into the dictionary it gets at its end."""
        from opentelemetry.trace import StatusCode

        more: Attributes = {}
        given = {f"dropnorm.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(
            name,
            attributes=given,
            # A failure's text may hold what a client sent.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield more
            finally:
                span.set_attributes({f"dropnorm.{key}": value for key, value in more.items()})
                if more.get("failed"):
                    span.set_status(StatusCode.ERROR)

    def close(self) -> None:
        """Sends what waits, within some seconds; what cannot be sent by then is lost."""
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


def tracing_to(endpoint: str, service: str, version: str) -> Tracing | None:
    """Traces to `endpoint`; none where it is empty."""
    return Tracing(endpoint, service, version) if endpoint else None

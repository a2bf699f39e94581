"""Spans of requests and fits, sent to a trace collector if the settings name one. Needs the extra `tracing`.

The message to the worker holds only the job's id. The request id in the job's row links a fit to the request that asked
for it: a request without an id gets the ids of its trace and span as its request id.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shared import __version__
from shared.settings import Settings

_SPAN_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})(?:\.[0-9]+)?")  # the suffix is the line number in a bulk fit
_SEND_EVERY_MS = 1000


class Tracing:
    """Source of spans, which a thread sends in the background."""

    def __init__(self, service: str, exporter: Any) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an optional extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.version": __version__})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_SEND_EVERY_MS))
        self._tracer = self._provider.get_tracer("tsad")

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Any]:
        """Open the span of a request. It joins the trace in the headers, if there is one."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        parent = TraceContextTextMapPropagator().extract(headers)
        with self._tracer.start_as_current_span(method, parent, SpanKind.SERVER) as span:
            span.set_attribute("http.request.method", method)
            yield span

    @contextmanager
    def fit(self, request_id: str | None, attributes: Mapping[str, str | int]) -> Iterator[None]:
        """Open the span of a fit. It joins the trace of its request, if the request id contains one."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        with self._tracer.start_as_current_span("fit", _context(request_id), SpanKind.CONSUMER, dict(attributes)):
            yield

    def close(self) -> None:
        """Send the pending spans, then shut down."""
        self._provider.shutdown()


def start(settings: Settings, service: str) -> Tracing | None:
    """Return the tracing, or None if the settings name no collector.

    Raise `SystemExit` if the extra is not installed.
    """
    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/")
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    except ImportError:
        raise SystemExit(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `tracing`: install tsad with it, or unset the setting."
        ) from None
    return Tracing(service, OTLPSpanExporter(f"{endpoint}/v1/traces"))


def request_id_of(span: Any) -> str:
    """Join the ids of a span's trace and of the span itself into a request id."""
    context = span.get_span_context()
    return f"{context.trace_id:032x}-{context.span_id:016x}"


def _context(request_id: str | None) -> Any:
    from opentelemetry import trace  # noqa: PLC0415

    match = _SPAN_ID.fullmatch(request_id or "")
    if not match:
        return None
    parent = trace.SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))

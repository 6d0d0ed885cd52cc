"""Spans of OpenTelemetry: one a request, a child of the caller's where it sends `traceparent`.

Written to a file, a line of JSON each, or sent by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT says where to; else none are made.
"""

import json
import logging
import os
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from components.contracts.errors import CapabilityError
from components.serving.gateway.settings import Settings

LOG = logging.getLogger("diptych.gateway")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Tracing:
    """Makes spans, or none.

    Args:
        tracer: None for none.
    """

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    @classmethod
    def set_up(cls, settings: Settings) -> Self:
        """Return what the settings ask for. CapabilityError where OTLP is asked for and its exporter is not installed."""
        exporter = _exporter(settings)
        if exporter is None:
            return cls(None)
        provider = TracerProvider(resource=Resource.create({"service.name": "diptych-gateway"}))
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
        return cls(provider.get_tracer("diptych.gateway"))

    @contextmanager
    def span(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], request_id: str
    ) -> Iterator[trace.Span | None]:
        """Yield the span of a request."""
        if self._tracer is None:
            yield None
            return
        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        context = TraceContextTextMapPropagator().extract(carrier)
        said = {"http.request.method": scope["method"], "url.path": scope["path"], "diptych.request_id": request_id}
        with self._tracer.start_as_current_span(
            f"{scope['method']}", context=context, kind=SpanKind.SERVER, attributes=said
        ) as span:
            yield span

    def ended(self, span: trace.Span | None, scope: MutableMapping[str, Any], status: int) -> None:
        """Write down how a request ended."""
        if span is None:
            return
        route = getattr(scope.get("route"), "path", None)
        span.set_attribute("http.response.status_code", status)
        if route:
            span.set_attribute("http.route", route)
            span.update_name(f"{scope['method']} {route}")
        if version := scope["state"].get("version"):
            span.set_attribute("diptych.version", version)

    def failed(self, span: trace.Span | None, err: BaseException) -> None:
        """Write down a fault of ours."""
        if span is not None:
            span.record_exception(err)

    def log(self, err: BaseException, request_id: str) -> None:
        """Print a fault of ours, with its traceback, for whoever runs the gateway."""
        LOG.error("request %s failed", request_id, exc_info=err)


def _exporter(settings: Settings) -> SpanExporter | None:
    if settings.traces is not None:
        return Lines(Path(settings.traces))
    if ENDPOINT not in os.environ:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as err:
        raise CapabilityError(
            f"{ENDPOINT} asks for traces by OTLP, but its exporter is not installed: pip install opentelemetry-exporter-otlp-proto-http. Or "
            "unset it."
        ) from err
    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


class Lines(SpanExporter):
    """Appends spans to a file that several processes may append to, a line of JSON each: those of a batch in one write, so that no line is torn.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append them."""
        lines = "".join(f"{json.dumps(json.loads(span.to_json()))}\n" for span in spans).encode()
        try:
            written = os.write(self._handle, lines)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if written == len(lines) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the file."""
        os.close(self._handle)

"""Spans of OpenTelemetry: which endpoint, which status, how long; never what a request contains."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from tailrank.errors import RequestError
from tailrank.server.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Tracer:
    """Sends spans to where the variables of OpenTelemetry say, such as OTEL_EXPORTER_OTLP_ENDPOINT.

    Raises
    ------
    RequestError
        If the packages are missing.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as missing:
            raise RequestError(f'--traces needs {missing.name}: pip install "tailrank[telemetry]"') from None
        self._provider = TracerProvider(resource=Resource.create({"service.name": "tailrank"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tailrank", version("tailrank"))

    def span(self, exchange: Exchange) -> Span:
        """Open a span for a request; of its headers only the context of a trace is read."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers}
        method = exchange.method
        return self._tracer.start_span(
            method, extract(headers), kind=SpanKind.SERVER, attributes={"http.request.method": method}
        )

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

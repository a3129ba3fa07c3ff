"""Spans of OpenTelemetry: which endpoint, which status, how long; never what a request contains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any, Protocol, TypeAlias

from tailrank.errors import RequestError

SetOutcome: TypeAlias = Callable[[str, int], None]
"""Sets the endpoint and the status of a span."""


class Tracer(Protocol):
    """Where spans are sent."""

    def span(self, scope: Mapping[str, Any]) -> AbstractContextManager[SetOutcome]:
        """Open a span for a request of ASGI."""

    def close(self) -> None:
        """Send what is left."""


class NoTracer:
    """Sends no spans."""

    def span(self, scope: Mapping[str, Any]) -> AbstractContextManager[SetOutcome]:
        """Open nothing."""
        return nullcontext(_ignore_outcome)

    def close(self) -> None:
        """Do nothing."""


class OpenTelemetryTracer:
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

    @contextmanager
    def span(self, scope: Mapping[str, Any]) -> Iterator[SetOutcome]:
        """Open a span for a request of ASGI."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        # Of the headers only the context of a trace is read.
        context = extract(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        with self._tracer.start_as_current_span(
            scope["method"],
            context,
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]},
        ) as span:

            def set_outcome(endpoint: str, status: int) -> None:
                span.update_name(endpoint)
                span.set_attribute("http.response.status_code", status)

            yield set_outcome

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _ignore_outcome(endpoint: str, status: int) -> None:
    """Set nothing."""

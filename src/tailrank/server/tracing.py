"""Spans of OpenTelemetry: which endpoint, which status, how long; never what a request said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any, Protocol, TypeAlias

from tailrank.errors import RequestError

Note: TypeAlias = Callable[[str, int], None]
"""Is told the endpoint and the status."""


class Traces(Protocol):
    """Where spans go."""

    def span(self, scope: Mapping[str, Any]) -> AbstractContextManager[Note]:
        """Open a span for a request of ASGI."""

    def close(self) -> None:
        """Send what is left."""


class Untraced:
    """Nowhere."""

    def span(self, scope: Mapping[str, Any]) -> AbstractContextManager[Note]:
        """Open nothing."""
        return nullcontext(_nothing)

    def close(self) -> None:
        """Do nothing."""


class _OpenTelemetry:
    def __init__(self, provider: Any) -> None:
        self.provider, self.tracer = provider, provider.get_tracer("tailrank", version("tailrank"))

    @contextmanager
    def span(self, scope: Mapping[str, Any]) -> Iterator[Note]:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        # Of the headers only the context of a trace is read.
        context = extract(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        )
        with self.tracer.start_as_current_span(
            scope["method"],
            context,
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]},
        ) as span:

            def note(endpoint: str, status: int) -> None:
                span.update_name(endpoint)
                span.set_attribute("http.response.status_code", status)

            yield note

    def close(self) -> None:
        self.provider.shutdown()


def tracing() -> Traces:
    """Send spans to where the variables of OpenTelemetry say, such as OTEL_EXPORTER_OTLP_ENDPOINT.

    Raises
    ------
    RequestError
        Where the packages are missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise RequestError(f'--traces needs {missing.name}: pip install "tailrank[telemetry]"') from None
    provider = TracerProvider(resource=Resource.create({"service.name": "tailrank"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return _OpenTelemetry(provider)


def _nothing(endpoint: str, status: int) -> None:
    """Note nothing."""

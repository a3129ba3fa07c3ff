"""Spans of OpenTelemetry: which endpoint and stage, which status, how long; never what a request contains."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from tailrank.errors import RequestError
from tailrank.server.exchange import Exchange
from tailrank.stages import WATCH

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables that say where spans go. OpenTelemetry would send them to this machine without."""

FAULT: Final = 500
"""The lowest status that is no fault of the client's."""


class Tracer:
    """Sends spans to where the variables of OpenTelemetry say.

    Raises
    ------
    RequestError
        If the packages are missing, or no variable says where.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as missing:
            raise RequestError(f'--traces needs {missing.name}: pip install "tailrank[telemetry]"') from None
        if not any(os.environ.get(name) for name in ENDPOINTS):
            raise RequestError(f"--traces needs the address of a collector: set {' or '.join(ENDPOINTS)}")
        self._provider = TracerProvider(resource=Resource.create({"service.name": "tailrank"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tailrank", version("tailrank"))

    @contextmanager
    def request(self, exchange: Exchange) -> Iterator[Span]:
        """Open a span for a request; of its headers only the context of a trace is read.

        Stages of what is begun meanwhile become its children. It is ended by `end`, perhaps much later.
        """
        from opentelemetry.context import Context, attach, detach
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, set_span_in_context

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers}
        waited = time.perf_counter() - exchange.arrived
        span = self._tracer.start_span(
            exchange.method,
            extract(headers, Context()),  # not a child of the one before it, whose answer lets it begin
            kind=SpanKind.SERVER,
            attributes={"http.request.method": exchange.method},
            start_time=time.time_ns() - int(1e9 * waited),
        )
        context = attach(set_span_in_context(span))
        watch = WATCH.set(self._stage if span.is_recording() else None)  # a sampler may leave it out
        try:
            yield span
        finally:
            WATCH.reset(watch)
            detach(context)

    def _stage(self, name: str) -> AbstractContextManager[object]:
        # Messages of exceptions may quote the request.
        return self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def end(span: Span, endpoint: str, status: int) -> None:
    """End the span of a request that was answered."""
    from opentelemetry.trace import StatusCode

    span.update_name(endpoint)
    span.set_attribute("http.response.status_code", status)
    if status >= FAULT:
        span.set_status(StatusCode.ERROR)
    span.end()

"""Spans reach a collector, and contain nothing of the requests."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrank.benchmarks.launcher import Server

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRETS = ("mallory", "candidate-4711", "item-0815", "key-of-some-length", "texts that nobody")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Run a collector; yields its address, and what came by path."""
    came: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            came.append((self.path, gzip.decompress(body) if packed else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", came
        running.shutdown()


def test_spans_reach_a_collector(
    model: Path, tmp_path: Path, collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    address, came = collector
    keys = {"TAILRANK_API_KEYS": f"read+write:{SECRETS[3]}", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    headers = {
        "authorization": f"Bearer {SECRETS[3]}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "baggage": f"user={SECRETS[0]}",
    }
    with (
        Server(model, tmp_path, "--traces", **keys) as server,
        httpx.Client(base_url=server.url, headers=headers) as client,
    ):
        request = {"user": SECRETS[0], "candidates": [SECRETS[1], SECRETS[2]], "history": [SECRETS[4]]}
        assert client.post("/v1/rank", json=request).status_code == 200
        assert client.get(f"/v1/users/{SECRETS[0]}").status_code == 200
        assert client.get(f"/v1/users/{SECRETS[0]}?why={SECRETS[1]}").status_code == 422
        assert client.post("/v1/rank", json={"candidates": SECRETS[0]}).status_code == 422
        assert client.get(f"/{SECRETS[2]}").status_code == 404
    assert {path for path, _ in came} == {"/v1/traces"}
    for _, body in came:
        assert [secret for secret in SECRETS if secret.encode() in body] == []
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in came]
    resources = [each for request in requests for each in request.resource_spans]
    assert {
        a.value.string_value for r in resources for a in r.resource.attributes if a.key == "service.name"
    } == {"tailrank"}
    spans = [span for r in resources for scope in r.scope_spans for span in scope.spans]
    ours = [span for span in spans if span.trace_id.hex() == TRACE]
    statuses = [
        (span.name, next(a.value.int_value for a in span.attributes if a.key == "http.response.status_code"))
        for span in ours
    ]
    assert statuses == [("rank", 200), ("user", 200), ("none", 422), ("rank", 422), ("none", 404)]
    assert {span.parent_span_id.hex() for span in ours} == {PARENT}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in ours)

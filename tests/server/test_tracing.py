"""Spans of requests and of their stages reach a collector, and contain nothing of the requests."""

from __future__ import annotations

import gzip
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tailrank.benchmarks.launcher import PATIENCE, Server, free_port
from tailrank.errors import RequestError
from tailrank.server.tracing import Tracer

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRETS = ("mallory", "candidate-4711", "item-0815", "key-of-some-length", "texts that nobody")


class Receiver:
    """What a collector passes on."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self._came = threading.Condition()

    def put(self, body: bytes) -> None:
        """Take the body of a request that exports spans."""
        resources = ExportTraceServiceRequest.FromString(body).resource_spans
        attributes = (each for resource in resources for each in resource.resource.attributes)
        with self._came:
            self.bodies.append(body)
            self.services |= {each.value.string_value for each in attributes if each.key == "service.name"}
            self.spans += [span for each in resources for scope in each.scope_spans for span in scope.spans]
            self._came.notify()

    def requests(self) -> list[Span]:
        """List the spans of requests that are part of our trace, in their order."""
        ours = (span for span in self.spans if span.trace_id.hex() == TRACE)
        found = (span for span in ours if span.kind == Span.SPAN_KIND_SERVER)
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def stages(self, request: Span) -> list[str]:
        """Name the stages of a request, in their order."""
        found = [span for span in self.spans if span.parent_span_id == request.span_id]
        assert {span.trace_id for span in found} <= {request.trace_id}
        return [span.name for span in sorted(found, key=lambda span: span.start_time_unix_nano)]

    def wait_for(self, n: int) -> None:
        """Wait until so many requests are known."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.requests()) >= n, PATIENCE), len(self.requests())


@contextmanager
def received(receiver: Receiver) -> Iterator[str]:
    """Listen for spans; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()
            receiver.put(gzip.decompress(body) if packed else body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def rotel_agent() -> Path | None:
    """Find Rotel, a collector written in Rust, if there is a wheel of it and the shared Python it loads."""
    package = find_spec("rotel")
    if package is None or package.origin is None:
        return None
    agent = Path(package.origin).with_name("rotel-agent")
    tried = subprocess.run([agent, "--version"], check=False, capture_output=True)
    return None if tried.returncode else agent


@contextmanager
def rotel(agent: Path, folder: Path, target: str) -> Iterator[str]:
    """Run Rotel, which passes on what it has understood; yields its address."""
    address, log = f"127.0.0.1:{free_port()}", folder / "rotel.log"
    options = [
        f"--otlp-http-endpoint={address}",
        f"--otlp-grpc-endpoint=127.0.0.1:{free_port()}",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
        f"--otlp-exporter-endpoint={target}",
        f"--pid-file={folder / 'rotel.pid'}",
    ]
    command = [str(agent), "start", *options]
    with log.open("wb") as told, subprocess.Popen(command, stdout=told, stderr=told) as running:
        try:
            end = time.monotonic() + PATIENCE
            while not listens(f"http://{address}"):
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)
            yield f"http://{address}"
        finally:
            running.terminate()


def listens(address: str) -> bool:
    try:
        httpx.get(address)
    except httpx.TransportError:
        return False
    return True


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[tuple[str, Receiver]]:
    """Run a collector: Rotel or, where it doesn't start, what it would pass spans on to."""
    receiver = Receiver()
    with received(receiver) as target:
        if (agent := rotel_agent()) is None:
            yield target, receiver
        else:
            with rotel(agent, tmp_path, target) as address:
                yield address, receiver


def traced(server: Server) -> Sequence[tuple[str, httpx.Response]]:
    """Ask for one thing after the other; returns the name that each should have, and its answer."""
    headers = {
        "authorization": f"Bearer {SECRETS[3]}",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "baggage": f"user={SECRETS[0]}",
    }
    ranking = {"user": SECRETS[0], "candidates": [SECRETS[1], "1", "2"], "policy": {"tail": 0.5}}
    names = {"event_id": SECRETS[4], "user_id": SECRETS[0], "item_id": SECRETS[2]}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        return [
            ("rank", client.post("/v1/rank", json=ranking)),
            ("rank", client.post("/v1/rank", json={**ranking, "history": [{"text": SECRETS[4]}]})),
            ("events", client.post("/v1/events", json={**names, "event": "click", "timestamp": 1e9})),
            ("user", client.get(f"/v1/users/{SECRETS[0]}")),
            ("rank", client.post("/v1/rank", json={"candidates": SECRETS[0]})),
            ("rank", client.post("/v1/rank", json={"candidates": [], SECRETS[0]: SECRETS[1]})),
            ("none", client.get(f"/v1/users/{SECRETS[0]}?why={SECRETS[1]}")),
            ("none", client.get(f"/{SECRETS[2]}")),
        ]


def test_spans_of_requests_and_their_stages_reach_a_collector(
    model: Path, tmp_path: Path, collector: tuple[str, Receiver]
) -> None:
    address, receiver = collector
    keys = {"TAILRANK_API_KEYS": f"read+write:{SECRETS[3]}", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    with Server(model, tmp_path / "state", "--traces", **keys) as server:
        answers = traced(server)
    receiver.wait_for(len(answers))
    assert [answer.status_code for _, answer in answers] == [200, 200, 200, 200, 422, 422, 422, 404]
    assert [each for each in SECRETS if any(each.encode() in body for body in receiver.bodies)] == []
    assert receiver.services == {"tailrank"}
    spans = receiver.requests()
    assert {span.parent_span_id.hex() for span in spans} == {PARENT}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    statuses = [
        next(each.value.int_value for each in span.attributes if each.key == "http.response.status_code")
        for span in spans
    ]
    assert list(zip((span.name for span in spans), statuses, strict=True)) == [
        (name, answer.status_code) for name, answer in answers
    ]
    ranked = ["signals", "fusion", "policy"]
    assert [receiver.stages(span) for span in spans] == [
        ["parse", "state", *ranked],
        ["parse", "state", "encode", *ranked],
        ["parse", "state"],
        *([], ["parse"], ["parse"], [], []),
    ]


def test_without_an_address_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RequestError, match="set OTEL_EXPORTER_OTLP_ENDPOINT"):
        Tracer()

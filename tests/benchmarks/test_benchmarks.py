"""`tailrank bench` in small: real servers and load, and checks that fail where they should."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tailrank.benchmarks import latency
from tailrank.benchmarks.connection import Connection, parse, request
from tailrank.benchmarks.freshness import check
from tailrank.benchmarks.ingest import count_lost, draw_events
from tailrank.benchmarks.launcher import Server, cores, measured_server
from tailrank.benchmarks.load import drive
from tailrank.benchmarks.subject import subject
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker


@pytest.fixture(scope="module")
def lean(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose server has no encoder to load."""
    folder = tmp_path_factory.mktemp("models") / "lean"
    reranker.save(folder, {"encoder": "none"})
    return folder


def measured(*command: object) -> dict[str, dict[str, float]]:
    done = CliRunner().invoke(app, ["bench", *map(str, command), "--json"])
    assert done.exit_code == 0, done.output or done.exception
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    assert {"date", "processor", "cores", "versions"} <= found.keys()
    return found


class TestCommands:
    """Each prints one JSON object, and what it says hangs together."""

    def test_latency(self, lean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(latency, "CALLS", 50)
        found = measured("latency", "--model", lean)
        for size in ("200", "1000", "200 after an event", "1000 after an event"):
            assert 0 < found[size]["p50_ms"] <= found[size]["p99_ms"]
            assert found[size]["gemm_ms"] > 0

    @pytest.mark.slow
    def test_http(self, lean: Path) -> None:
        found = measured("http", "--model", lean, "--requests", 50)
        for size in ("25", "50", "100", "200", "300", "100 after an event", "300 after an event"):
            row = found[size]
            assert {"codec_ms", "state_ms", "framework_ms"} <= row.keys()
            assert row["model_ms"] > 0
            assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert found["alive"]["p50_ms"] < found["300"]["p50_ms"]
        within = found["within 5 ms"]
        assert (within["candidates"], 0 <= within["degraded"] <= 1) == (1_682, True)

    @pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
    def test_throughput(self, lean: Path) -> None:
        found = measured("throughput", "--model", lean, "--seconds", 1)
        closed, overload = found["closed"], found["overload"]
        assert closed["requests_per_s"] > 0
        assert closed["failed"] == 0
        assert overload["neither_200_nor_429"] == 0

    def test_throughput_needs_wrk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        done = CliRunner().invoke(app, ["bench", "throughput"])
        assert isinstance(done.exception, RequestError)
        assert "install wrk" in str(done.exception)

    def test_ingest(self, lean: Path) -> None:
        found = measured("ingest", "--model", lean, "--events", 600)
        assert found["batches"]["events"] == 600
        assert found["singles"]["events"] == 120
        assert found["killed"] == {"acknowledged": 720, "lost": 0}
        for workers in ("fresh", "fresh, 2 workers"):
            assert found[workers]["checked"] == found[workers]["telling"] == 60
            assert found[workers]["misses"] == 0

    def test_state(self, lean: Path) -> None:
        found = measured("state", "--model", lean, "--users", 2_000, "--requests", 20)
        few, many = found["200"], found["2000"]
        assert 50 * 9 * 2_000 / 1e6 < many["compacted_mb"] <= many["disk_mb"] < 5
        assert few["disk_mb"] < many["disk_mb"]
        # Two processes that loaded an encoder differ by more than 2,000 users take.
        assert few.keys() == many.keys() >= {"own_mb", "files_mb"}


def test_checks_fail_if_events_are_missing(lean: Path, movielens: Dataset, tmp_path: Path) -> None:
    """Rankings of a server that never saw the events miss all of them."""
    with (
        subject(movielens, lean, 0, 0) as it,
        Server(lean, tmp_path / "one") as one,
        Server(lean, tmp_path / "other") as other,
    ):
        connections = Connection(one.port), Connection(other.port)
        found = check(it, 20, connections)
        # Connections take turns, so each server knows of every other event.
        assert found["misses"] == found["telling"] == 20
        sent = draw_events(it, 30, np.random.default_rng(0))
        connections[0].ask("/v1/events", sent[:20])
        assert count_lost(one.port, sent) == 10


def test_this_process_moves_back(lean: Path, tmp_path: Path) -> None:
    before = cores()
    with measured_server(lean, tmp_path / "state"):
        assert cores() == (None, None)
    assert cores() == before


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"isn't ready:[\s\S]*nowhere"):
        Server(tmp_path / "nowhere", tmp_path / "state")


class SlowHandler(BaseHTTPRequestHandler):
    """Takes 20 ms for every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def slow_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_connections_that_are_open_take_turns_and_are_closed_in_the_end(slow_port: int) -> None:
    opened = [Connection(slow_port) for _ in range(3)]
    answers = drive(slow_port, [request("/")] * 6, connections=3, opened=opened)
    assert (answers.status == 200).all()
    assert [connection.socket.fileno() for connection in opened] == [-1] * 3


@pytest.mark.slow
class TestLoad:
    """Durations on a clock, which a busy machine stretches."""

    def test_a_closed_loop_sends_when_it_has_an_answer(self, slow_port: int) -> None:
        answers = drive(slow_port, [request("/")] * 20, connections=2)
        assert (answers.status == 200).all()
        assert answers.ms.min() >= 20
        assert answers.seconds >= 10 * 0.02
        assert not answers.late_ms.any()

    def test_an_open_loop_counts_from_when_a_request_was_due(self, slow_port: int) -> None:
        answers = drive(slow_port, [request("/")] * 20, connections=1, due=np.arange(20) / 1000)
        assert (answers.status == 200).all()
        # The last is due after 19 ms, and the connection is free for it after 19 times 20 ms.
        assert answers.late_ms[-1] >= 19 * 20 - 19
        assert answers.ms[-1] >= 20 * 20 - 19

    def test_with_connections_to_spare_nothing_waits(self, slow_port: int) -> None:
        answers = drive(slow_port, [request("/")] * 20, connections=20, due=np.arange(20) / 100)
        assert np.median(answers.ms) < 100
        assert answers.seconds >= 0.19 + 0.02


@given(st.binary(max_size=40), st.sampled_from([200, 404, 429, 503]), st.booleans())
def test_answers_are_read_however_they_are_cut(body: bytes, status: int, shouts: bool) -> None:
    name = b"Content-Length" if shouts else b"content-length"
    whole = b"HTTP/1.1 %d X\r\na: b\r\n%s: %d\r\n\r\n%s" % (status, name, len(body), body)
    assert parse(whole) == (status, body)
    assert all(parse(whole[:end]) is None for end in range(len(whole)))

"""The stream that the dashboard reads: for several at once, until they go or the server stops."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_helpers import rank, store, wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.server.serving import SHUTDOWN_SECONDS
from tailrank.server.streams import HEARTBEAT, MOST_STREAMS, Broadcast

REQUEST = b"GET /v1/page/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(model, tmp_path_factory.mktemp("state")) as running:
        yield running


def listen(server: Server) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    line.sendall(REQUEST)
    return line


def head(line: socket.socket) -> str:
    return line.recv(4096).decode().partition("\r\n\r\n")[0]


def moments(server: Server, n: int) -> list[dict[str, Any]]:
    with httpx.stream("GET", f"{server.url}/v1/page/live", timeout=20) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        return [json.loads(next(lines).removeprefix("data: ")) for _ in range(n)]


def listeners(server: Server) -> int:
    """Count the connections to the server that are open at its end."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{server.port:04X}") and line[3] == "01" for line in lines)


def test_a_moment_a_second_says_what_prometheus_is_told(server: Server) -> None:
    store(server.url, "ada", "1", "50")
    first, second = moments(server, 2)
    assert 0.5 < second["time"] - first["time"] < 10
    for _ in range(3):
        rank(server.url, user="ada")
    [now] = moments(server, 1)
    told = httpx.get(f"{server.url}/metrics").text
    assert (
        f'tailrank_request_seconds_count{{endpoint="rank",status="200"}} {now["rankings"]["total"]}.0' in told
    )
    assert f'tailrank_exposure_total{{popularity="tail"}} {now["exposure"]["tail"]}.0' in told
    assert f"tailrank_events_total {now['events']['total']}.0" in told
    assert now["rankings"]["total"] == first["rankings"]["total"] + 3
    assert now["rankings"]["p50_ms"] > 0
    assert now["items"] == sum(now["catalogue"].values())


def test_what_a_server_lacks_is_said_with_the_option_that_turns_it_on(server: Server) -> None:
    [now] = moments(server, 1)
    assert now["logs"] is now["learning"] is None
    assert "--log-impressions" in now["missing"]["logs"]
    assert "--learn" in now["missing"]["learning"]
    for path, option in [("page/weights", "--learn"), ("page/policies", "--policies"), ("models", "--model")]:
        answer = httpx.get(f"{server.url}/v1/{path}")
        assert answer.status_code == 422
        assert option in answer.json()["error"]


def test_a_further_stream_is_refused_until_one_ends_and_rankings_go_on(server: Server) -> None:
    wait_until(lambda: not listeners(server))
    with ExitStack() as lines:
        opened = [lines.enter_context(closing(listen(server))) for _ in range(100)]
        heads = [head(line) for line in opened]
        assert sum(each.startswith("HTTP/1.1 200") for each in heads) == MOST_STREAMS
        assert sum(each.startswith("HTTP/1.1 429") for each in heads) == 100 - MOST_STREAMS
        refused = httpx.get(f"{server.url}/v1/page/live")
        assert refused.status_code == 429
        assert refused.json()["error"].startswith(
            f"{MOST_STREAMS} streams are open already: close a dashboard"
        )
        assert all(rank(server.url, user="ada")["items"] for _ in range(20))
    wait_until(lambda: httpx.head(f"{server.url}/v1/page/live").status_code == 200)


def test_who_reads_nothing_neither_keeps_others_waiting_nor_stays(server: Server) -> None:
    with closing(listen(server)):
        assert len(moments(server, 2)) == 2
    wait_until(lambda: not listeners(server))


def test_a_server_stops_at_once_although_somebody_listens(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path / "state") as running:
        line = listen(running)
        assert head(line).startswith("HTTP/1.1 200")
        began = time.monotonic()
    assert time.monotonic() - began < SHUTDOWN_SECONDS / 2
    while line.recv(65_536):
        pass
    line.close()


def test_a_moment_that_cannot_be_told_is_passed_over() -> None:
    fails = iter([False, True, False])

    async def moment() -> bytes:
        if next(fails):
            raise FileNotFoundError("a worker went, and its counts with it")
        return b"now"

    async def told() -> list[bytes]:
        stream = Broadcast(moment).listen()
        parts: list[bytes] = []
        async for part in stream.parts:
            parts += [] if part == HEARTBEAT else [part]
            if len(parts) == 2:
                break
        stream.ended()
        return parts

    assert asyncio.run(told()) == [b"data: now\n\n"] * 2

"""Who is refused so that the others stay fast: only at the end of a long line, however slow the machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from server_helpers import CANDIDATES

from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.benchmarks.load import drive
from tailrank.server.app import LINE

RANKING = request("/v1/rank", msgspec.json.encode({"candidates": CANDIDATES, "history": ["50"]}))


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for which every request has waited too long."""
    with Server(model, tmp_path_factory.mktemp("state"), "--queue-ms", "0.000001") as server:
        yield server


def test_sixteen_clients_that_wait_for_their_answers_are_never_refused(server: Server) -> None:
    answers = drive(server.port, [RANKING] * 320, connections=16)
    assert set(answers.status.tolist()) == {200}


def test_the_end_of_a_long_line_is_refused(server: Server) -> None:
    lines = [Connection(server.port, 60) for _ in range(4 * LINE)]
    for line in lines:
        assert line.exchange(RANKING)[0] == 200
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        for line in lines:
            line.socket.sendall(RANKING)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    found = [status_of(line) for line in lines]
    assert found.count(200) >= LINE
    assert found.count(429) >= LINE
    assert len(found) == found.count(200) + found.count(429)
    for line in lines:
        line.close()


def status_of(line: Connection) -> int:
    while (answer := line.receive()) is None:
        pass
    return answer[0]

"""The locations that the contract of a state is tested at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.valkey import Server
from state_helpers import valkey_server


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with valkey_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=["embedded", "networked"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty state of each sort."""
    if request.param == "embedded":
        return str(tmp_path / "state")
    running: Server = request.getfixturevalue("shared_valkey")
    with socket.create_connection(("127.0.0.1", running.port)) as line:
        line.sendall(b"FLUSHALL\r\n")
        assert line.recv(16) == b"+OK\r\n"
    return running.url

"""A server that stops, refuses, or is one of a cluster."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from bench.valkey import Server
from state_helpers import event, run, valkey_server
from valkey import Valkey

from tailrank.state.base import State, StateError


@pytest.mark.slow
def test_a_server_that_is_down_is_reported_at_once_and_found_again(tmp_path: Path) -> None:
    async def body(state: State, running: Server) -> Any:
        async def failure() -> str:
            start = time.monotonic()
            with pytest.raises(StateError, match="redis://127") as raised:
                await asyncio.gather(*(state.read("ann") for _ in range(100)))
            assert time.monotonic() - start < 3
            return str(raised.value)

        await state.append([event()])
        running.kill()
        assert "start the server" in await failure()
        running.start()
        assert (await state.read("ann")).history.items == ["tea"]
        running.process.send_signal(signal.SIGSTOP)
        assert "no answer" in await failure()
        with pytest.raises(StateError, match="no answer"):
            await state.append([event(item="jam")])
        running.process.send_signal(signal.SIGCONT)
        await state.append([event(item="egg")])
        return (await state.read("ann")).history.items

    with valkey_server(tmp_path) as running:
        found = run(lambda state: body(state, running), running.url)
    assert found[0] == "tea"
    assert "egg" in found


def test_a_server_that_refuses_says_why(tmp_path: Path) -> None:
    async def body(state: State, server: Valkey) -> None:
        server.set("tailrank:user:ann", "text")
        with pytest.raises(StateError, match="something else uses its keys"):
            await state.append([event()])
        server.config_set("maxmemory", 1)
        with pytest.raises(StateError, match="memory is full"):
            await state.append([event(user="bob")])
        server.config_set("requirepass", "secret")
        server.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(StateError, match="password") as raised:
            await state.read("ann")
        assert "secret" not in str(raised.value)

    with valkey_server(tmp_path) as running, Valkey(port=running.port) as server:
        run(lambda state: body(state, server), running.url)

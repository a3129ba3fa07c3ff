"""A server that stops, refuses, or is one of a cluster."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop
from bench.valkey import Server
from state_helpers import be_patient, event, run, valkey_server
from valkey import Valkey
from valkey.asyncio.connection import Connection

from tailrank.state.base import State, StateError
from tailrank.state.open import open_state


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


@pytest.mark.parametrize("losses", [1, 9])
def test_a_connection_that_is_lost_before_a_write_is_tried_again(
    shared_valkey: Server, monkeypatch: pytest.MonkeyPatch, losses: int
) -> None:
    """uvloop raises a RuntimeError then, where asyncio raises an OSError."""
    be_patient(monkeypatch)
    lost, send = itertools.count(1), Connection.send_packed_command

    async def losing(self: Connection, *command: Any, **options: Any) -> None:
        if next(lost) <= losses and self._writer is not None:
            self._writer.transport.abort()
            await asyncio.sleep(0)
        await send(self, *command, **options)

    async def body() -> dict[str, bytes]:
        state = open_state(shared_valkey.url)
        await state.notes("some")
        monkeypatch.setattr(Connection, "send_packed_command", losing)
        try:
            return await state.notes("some")
        finally:
            await state.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if losses == 1:
            assert runner.run(body()) == {}
        else:
            with pytest.raises(StateError, match="start the server"):
                runner.run(body())


def test_a_server_that_refuses_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)

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

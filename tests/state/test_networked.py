"""A server that stops, refuses, or is one of a cluster."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bench.valkey import Server
from state_helpers import NOON, event, run, valkey_server
from valkey import Valkey

from tailrank.benchmarks.launcher import free_port
from tailrank.data.histories import History
from tailrank.state.base import ItemChange, State, StateError, UserSnapshot


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


def test_a_cluster_is_found_from_one_of_its_servers(tmp_path: Path) -> None:
    buses = [str(free_port()), str(free_port())]
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        a, b = (
            stack.enter_context(valkey_server(folder, "--cluster-enabled", "yes", "--cluster-port", bus))
            for folder, bus in zip(folders, buses, strict=True)
        )
        with Valkey(port=a.port) as one, Valkey(port=b.port) as other:
            one.execute_command("CLUSTER ADDSLOTSRANGE", 0, 8191)
            other.execute_command("CLUSTER ADDSLOTSRANGE", 8192, 16383)
            one.execute_command("CLUSTER MEET", "127.0.0.1", b.port, buses[1])
            for _ in range(1000):
                time.sleep(0.02)
                if all(c.cluster("INFO")["cluster_state"] == "ok" for c in (one, other)):
                    break

            async def body(state: State) -> Any:
                assert await state.append([event(user=f"u{n}") for n in range(100)]) == 100
                assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 100
                assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 0
                assert (
                    await state.change_items([ItemChange("tea", b"{}", {}), ItemChange("jam", None, {})]) == 2
                )
                assert await state.item_changes(1) == (2, [ItemChange("jam", None, {})])
                return [await state.read(f"u{n}") for n in range(100)]

            assert (
                run(body, a.url) == [UserSnapshot(History(["tea"] * 2, ["click"] * 2, [NOON] * 2), 2)] * 100
            )
            assert min(one.dbsize(), other.dbsize()) > 20

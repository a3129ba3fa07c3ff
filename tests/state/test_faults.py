"""What a server of a networked state refuses or has lost is told, and costs no more than that."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench.valkey import Server
from state_helpers import NOON, be_patient, event, run, valkey_server
from valkey import Valkey

from tailrank.state.base import ItemChange, State, StateError

USER = "tailrank:user:ann"
JUNK = [b"", b"junk", b"\0" * 8, b"\0" * 40, b"hello, this is no event", b"\xff" * 30]
"""Too short, without names, of a time that can't be, and not UTF-8."""

TEA, JAM = ItemChange("tea", b"{}", {}), ItemChange("jam", None, {})


def on(server: Server, body: Callable[[State, Valkey], Any], **options: Any) -> Any:
    """Run a coroutine with an empty state, and a client that does what an administrator may."""
    with Valkey(port=server.port) as client:
        client.flushall()
        return run(lambda state: body(state, client), server.url, **options)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
def server(shared_valkey: Server) -> Server:
    return shared_valkey


def test_what_is_no_event_is_left_out_told_and_dropped(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(state: State, client: Valkey) -> Any:
        await state.append([event(), event(item="jam", at=NOON + 1)])
        client.rpush(USER, *JUNK)
        client.lpush(USER, *JUNK)
        found = [(await state.read("ann")).history.items for _ in range(3)]
        stored = await state.append([event(item="egg", at=NOON + 2)])
        return found, stored, (await state.read("ann")).history.items, client.llen(USER)

    with caplog.at_level(logging.WARNING, "tailrank"):
        found, stored, later, n = on(server, body)
    assert found == [["tea", "jam"]] * 3
    assert (stored, later, n) == (1, ["tea", "jam", "egg"], 3)
    assert [record.message for record in caplog.records] == [
        f"{server.url}: 12 elements of a user's list are no events: left out"
    ]


@pytest.mark.parametrize("lost", ["version", "latest", "order"])
def test_an_evicted_key_of_the_items_keeps_nobody_from_reading_on(
    server: Server, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(state: State, client: Valkey) -> Any:
        version = await state.change_items([TEA, JAM])
        client.delete(f"tailrank:{{items}}:{lost}")
        read = await state.item_changes(0)
        assert (await state.read("ann")).items_version == read[0]
        after = await state.change_items([ItemChange("egg", b"{}", {})])
        return version, read, after, await state.item_changes(version)

    with caplog.at_level(logging.WARNING, "tailrank"):
        version, read, after, later = on(server, body)
    assert (version, after) == (2, 3)
    assert read == (2, [] if lost != "version" else [TEA, JAM])
    assert later == (3, [ItemChange("egg", b"{}", {})])
    assert ("evicted or overwritten" in caplog.text) == (lost == "latest")


def test_a_state_that_was_emptied_counts_anew(server: Server) -> None:
    async def body(state: State, client: Valkey) -> Any:
        await state.change_items([TEA, JAM])
        client.flushall()
        return await state.item_changes(2), await state.change_items([JAM]), await state.item_changes(2)

    assert on(server, body) == ((0, []), 1, (1, [JAM]))


def test_a_change_of_an_item_that_something_else_wrote_is_left_out(server: Server) -> None:
    async def body(state: State, client: Valkey) -> Any:
        await state.change_items([TEA, JAM])
        client.hset("tailrank:{items}:latest", "tea", "\x02junk")
        return await state.item_changes(0)

    assert on(server, body) == (2, [JAM])


@pytest.mark.parametrize(
    "key", [USER, *(f"tailrank:{{items}}:{name}" for name in ("version", "latest", "order"))]
)
def test_keys_of_something_else_are_told(server: Server, key: str) -> None:
    async def body(state: State, client: Valkey) -> None:
        client.delete(key)
        client.geoadd(key, (1.0, 1.0, "x")) if "order" not in key else client.set(key, "x")
        with pytest.raises(StateError, match="something else uses its keys"):
            await (state.append([event()]) if key == USER else state.change_items([TEA]))

    on(server, body)


@pytest.mark.parametrize(
    ("policy", "ttl_days", "warned"),
    [
        ("noeviction", None, False),
        ("allkeys-lru", None, True),
        ("allkeys-random", 1, True),
        ("volatile-ttl", 1, True),
        ("volatile-ttl", None, False),
    ],
)
def test_a_server_that_drops_events_is_warned_of(
    tmp_path: Path, policy: str, ttl_days: float | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(state: State) -> None:
        await state.item_changes(0)
        await state.read("ann")

    with valkey_server(tmp_path, "--maxmemory-policy", policy) as running, caplog.at_level(logging.WARNING):
        run(body, running.url, ttl_days)
    assert caplog.text.count(f"{policy} drops users' events silently") == warned


def test_a_user_who_may_not_ask_about_memory_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(state: State) -> Any:
        return await state.append([event()]), (await state.read("ann")).history.items

    rules = ["on", ">pw", "~tailrank:*", "+@read", "+@write", "+@scripting", "-info", "-cluster"]
    with (
        valkey_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as running,
        Valkey(port=running.port) as client,
    ):
        client.execute_command("ACL", "SETUSER", "little", *rules)
        assert run(body, running.url.replace("//", "//little:pw@")) == (1, ["tea"])
    assert "maxmemory" not in caplog.text


def refuse_writes(client: Valkey) -> None:
    client.replicaof("127.0.0.1", "1")


def forbid_scripts(client: Valkey) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-@scripting")  # type: ignore[no-untyped-call]


def want_replicas(client: Valkey) -> None:
    client.config_set("min-replicas-to-write", 3)


def want_a_password(client: Valkey) -> None:
    client.config_set("requirepass", "secret")
    client.client_kill_filter(_type="normal", skipme=True)


def allow_one_connection(client: Valkey) -> None:
    client.config_set("maxclients", 1)
    client.client_kill_filter(_type="normal", skipme=True)


def run_a_script(client: Valkey) -> None:
    client.config_set("busy-reply-threshold", 1)
    with socket.create_connection(("127.0.0.1", client.connection_pool.connection_kwargs["port"])) as line:
        line.sendall(b"EVAL 'while true do end' 0\r\n")


@pytest.mark.parametrize(
    ("hinder", "why"),
    [
        (refuse_writes, "name the primary"),
        (forbid_scripts, "allow commands and scripts"),
        (want_replicas, "too few replicas"),
        (want_a_password, "wants one"),
        (allow_one_connection, "start the server"),
        (run_a_script, "busy with a script"),
    ],
)
def test_a_server_that_refuses_to_write_says_why(
    tmp_path: Path, hinder: Callable[[Valkey], None], why: str
) -> None:
    async def body(state: State, client: Valkey) -> None:
        await state.append([event()])
        hinder(client)
        await asyncio.sleep(0.05)
        with pytest.raises(StateError, match=why):
            await state.append([event(user="secretive", event_type="hidden")])

    with valkey_server(tmp_path) as running, Valkey(port=running.port) as client:
        run(lambda state: body(state, client), running.url)


def test_an_answer_that_would_quote_events_is_cut(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        with pytest.raises(StateError, match="unknown command") as raised:
            await state.append([event(user="secretive", event_type="hidden")])
        assert "secretive" not in str(raised.value)
        assert "hidden" not in str(raised.value)

    with valkey_server(tmp_path, "--rename-command", "EVALSHA", "OTHER") as running:
        run(body, running.url)


def test_a_server_without_its_scripts_counts_right(server: Server) -> None:
    async def body(state: State, client: Valkey) -> Any:
        await state.append([event()])
        client.script_flush()
        return await state.append([event(user=f"u{n}") for n in range(50)]), await state.change_items([TEA])

    assert on(server, body) == (50, 1)


def test_a_connection_that_breaks_in_the_middle_is_no_surprise() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(b"*2\r\n$5\r\nab")
        await writer.drain()
        writer.transport.abort()

    async def both() -> None:
        from tailrank.state.open import open_state

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            state = open_state(f"redis://127.0.0.1:{port}/0")
            for call in (
                state.append([event()]),
                state.read("ann"),
                state.erase("ann"),
                state.item_changes(0),
            ):
                with pytest.raises(StateError, match="start the server"):
                    await call
            await state.close()

    asyncio.run(both())

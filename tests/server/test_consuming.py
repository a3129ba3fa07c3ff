"""Events of a stream of a real server: each is stored, and counts once, through kills and lost servers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from bench.valkey import BINARY, Server
from bench.waiting import wait_until
from valkey import Valkey

from streamed_events import EVENTS, START, consume, histories, latest
from tailrank.errors import RequestError
from tailrank.server import consuming
from tailrank.server.consuming import Consumer
from tailrank.state.base import StateError, StoredEvent
from tailrank.state.entry_stream import COUNT, EntryStream
from tailrank.state.open import open_state

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with Valkey(port=server.port) as found:
        found.flushall()
        yield found


@pytest.fixture
def url(server: Server) -> str:
    return f"{server.url}?stream=events"


def add(client: Any, events: list[dict[str, Any]]) -> None:
    pipeline = client.pipeline()
    for event in events:
        pipeline.xadd("events", {"json": json.dumps(event)})
    pipeline.execute()


def is_done(client: Any, group: str = "tailrank") -> bool:
    [found] = [each for each in client.xinfo_groups("events") if each["name"].decode() == group]
    return bool(found["lag"] == 0 and found["pending"] == 0)


def test_a_killed_process_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, client: Any, url: str
) -> None:
    add(client, EVENTS)
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "consume", "--stream", url, "--state", str(tmp_path)]
    with subprocess.Popen(command) as killed:
        wait_until(lambda: bool(client.exists("events") and client.xinfo_groups("events")), 60)
        wait_until(lambda: bool(client.xinfo_groups("events")[0]["entries-read"]), 60)
        killed.kill()
    add(client, EVENTS[:100])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as ended:
        wait_until(lambda: is_done(client), 60)
        ended.send_signal(signal.SIGTERM)
        _, told = ended.communicate(timeout=60)
    assert ended.returncode == 0
    assert told.endswith(" 0 refused\n")
    assert histories(tmp_path) == latest(EVENTS)


def test_what_was_read_and_not_acknowledged_is_stored(
    tmp_path: Path, client: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, EVENTS[:700])
    monkeypatch.setattr(consuming, "ABANDONED_AFTER", 0.0)

    async def reading() -> tuple[Consumer, Consumer]:
        state, streams = open_state(str(tmp_path)), [EntryStream(url, "tailrank", name) for name in "abc"]
        for stream in streams[:2]:  # two processes that were killed
            await stream.create_group()
            await stream.new()
        assert client.xpending("events", "tailrank")["pending"] == 700
        same, other = (Consumer(stream, state, print) for stream in streams[1:])
        await same.catch_up()
        stop = asyncio.Event()
        task = asyncio.create_task(other.run(stop))
        await asyncio.to_thread(wait_until, lambda: is_done(client), 30)
        stop.set()
        await task
        for stream in streams:
            await stream.close()
        await state.close()
        return same, other

    same, other = asyncio.run(reading())
    assert same.counts == {"entries": 188, "stored": 188, "known": 0, "refused": 0}
    assert other.counts == {"entries": 512, "stored": 512, "known": 0, "refused": 0}
    assert histories(tmp_path) == latest(EVENTS[:700])


def test_one_that_is_stopped_leaves_the_rest_to_others(
    tmp_path: Path, client: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(client, EVENTS)

    async def reading() -> Consumer:
        stream, state, stop = EntryStream(url, "tailrank", "a"), open_state(str(tmp_path)), asyncio.Event()
        append = state.append

        async def last(events: Sequence[StoredEvent]) -> int:
            stop.set()
            return await append(events)

        monkeypatch.setattr(state, "append", last)
        consumer = Consumer(stream, state, print)
        await consumer.run(stop)
        await stream.close()
        await state.close()
        return consumer

    assert asyncio.run(reading()).counts["stored"] == COUNT
    [group] = client.xinfo_groups("events")
    assert group["pending"] == 0
    assert group["lag"] == len(EVENTS) - COUNT


def test_entries_that_cannot_be_stored_are_named(tmp_path: Path, client: Any, url: str) -> None:
    good = EVENTS[0]
    entries = [
        {"json": json.dumps(good)},
        {"event_id": "e1"},
        {"json": "{"},
        {"json": json.dumps({**good, "user": "ada"})},
        {"json": json.dumps({**good, "timestamp": START * 1_000})},
        {"json": json.dumps(good), "more": "1"},
        {"json": json.dumps(good)},
        {"json": json.dumps({**good, "event_id": "e9", "timestamp": "2026-01-31T09:30:00Z"})},
        {"json": '{"timestamp": "2026-01-31", "event_id": ' + "[" * 200_000 + "]" * 200_000 + "}"},
    ]
    for at, fields in enumerate(entries, 1):
        client.xadd("events", fields, id=f"7-{at}")
    client.xgroup_create("events", "tailrank", "0")
    client.xreadgroup("tailrank", "other", {"events": ">"}, 9)
    client.xclaim("events", "tailrank", "mine", 0, [f"7-{at}" for at in range(1, 10)])
    client.xdel("events", "7-7")
    done = consume("--stream", url, "--state", tmp_path, "--consumer", "mine", "--once")
    assert done.exit_code == 0, done.output
    *lines, summary = [line.removeprefix(f"{url}, ") for line in done.stderr.splitlines()]
    assert [line.partition(":")[0] for line in lines] == [f"entry 7-{at}" for at in (2, 3, 4, 5, 6, 7, 9)]
    assert "has other fields than `json`" in lines[0]
    assert "not JSON" in lines[1]
    assert "did you mean `user_id`" in lines[2]
    assert "not milliseconds" in lines[3]
    assert "has other fields than `json`" in lines[4]
    assert "was deleted from the stream" in lines[5]
    assert "nested too deeply" in lines[6]
    assert summary == "9 entries, 2 stored, 0 known, 7 refused"
    assert is_done(client)
    assert histories(tmp_path, 1) == [["0", "0"]]


def test_servers_that_are_lost_are_waited_for(tmp_path: Path) -> None:
    told = list[str]()

    async def reading(stream_of: Server, state_of: Server) -> Consumer:
        stream = EntryStream(f"{stream_of.url}?stream=events", "tailrank", "a")
        state = open_state(state_of.url)
        consumer, stop = Consumer(stream, state, told.append), asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))

        def stored(n: int) -> None:
            wait_until(lambda: consumer.counts["stored"] == n, 30)

        def lose(lost: Server) -> None:
            lost.kill()
            wait_until(lambda: told[-1:] != [] and told[-1].endswith("; waiting for it"), 30)

        def through_outages() -> None:
            with Valkey(port=stream_of.port) as client:
                add(client, EVENTS[:50])
            stored(50)
            lose(stream_of)
            stream_of.start()
            wait_until(lambda: told[-1] == "the server is back", 30)
            with Valkey(port=stream_of.port) as client:
                add(client, EVENTS[50:100])
                stored(100)
                state_of.kill()
                add(client, EVENTS[100:150])
            lose(state_of)
            state_of.start()
            stored(150)

        await asyncio.to_thread(through_outages)
        stop.set()
        await task
        await stream.close()
        await state.close()
        return consumer

    for name in ("stream", "state"):
        (tmp_path / name).mkdir()
    with Server(tmp_path / "stream") as stream_of, Server(tmp_path / "state") as state_of:
        consumer = asyncio.run(reading(stream_of, state_of))
        with Valkey(port=stream_of.port) as client:
            assert is_done(client)
        assert histories(state_of.url) == latest(EVENTS[:150])
    assert {line.rpartition("; ")[2] for line in told} == {"waiting for it", "the server is back"}
    assert consumer.counts["refused"] == 0


def test_wrong_addresses_are_refused(tmp_path: Path, server: Server, client: Any) -> None:
    client.set("other", "x")
    for stream, why in (
        (server.url, "name one stream"),
        (f"{server.url}?stream=a&strem=b", "'strem' in the address"),
        (f"{server.url}?stream=other", "is no stream"),
        ("https://127.0.0.1/?stream=a", "https://…: name redis://HOST"),
        ("events", "name redis://HOST"),
        ("redis://me:hush@127.0.0.1:9/0?stream=a", "start the server"),
        (f"@{tmp_path / 'none'}", "--stream @"),
    ):
        error = consume("--stream", stream, "--state", tmp_path / "state", "--once").exception
        assert isinstance(error, (RequestError, StateError))
        assert why in str(error)
        assert "hush" not in str(error)

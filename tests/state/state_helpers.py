"""What the tests of the state share: events, running a coroutine with an open state, and other processes."""

from __future__ import annotations

import asyncio
import itertools
import struct
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from bench.valkey import BINARY, Server

from tailrank.state.base import ItemChange, State, StoredEvent
from tailrank.state.former_record import LONG_GAP, RARE_TYPE
from tailrank.state.open import open_state
from tailrank.state.record import Row

NOON = 1_700_000_000.0
T = TypeVar("T")
_numbers = itertools.count()


def event(
    user: str = "ann",
    item: str = "tea",
    at: float = NOON,
    event_type: str = "click",
    event_id: str | None = None,
) -> StoredEvent:
    return StoredEvent(event_id or f"e{next(_numbers)}", user, item, event_type, at)


def run(body: Callable[[State], Awaitable[T]], location: Path | str, ttl_days: float | None = None) -> T:
    """Run a coroutine with the state at a location."""

    async def with_state() -> T:
        state = open_state(str(location), ttl_days)
        try:
            return await body(state)
        finally:
            await state.close()

    return asyncio.run(with_state())


def former_record(rows: Sequence[Row]) -> bytes:
    """Write a record as the format before did."""
    gaps = [0, *(later.time - earlier.time for earlier, later in itertools.pairwise(rows))]
    latest = rows[-1].time
    parts = [struct.pack("<BHI", len(rows), latest >> 32, latest & LONG_GAP)]
    for row, gap in zip(rows, gaps, strict=True):
        codes = min(row.event_type, RARE_TYPE) | row.item << 8
        parts.append(struct.pack("<III", codes, row.digest, min(gap, LONG_GAP)))
    parts += [gap.to_bytes(8, "little") for gap in gaps if gap >= LONG_GAP]
    beyond = [row.event_type - RARE_TYPE for row in rows if row.event_type >= RARE_TYPE]
    return b"".join([*parts, *(n.to_bytes(2, "little") for n in beyond if any(beyond))])


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server and its replicas take longer to answer, as they do on a busy machine."""
    for module in ("networked", "server_url"):
        monkeypatch.setattr(f"tailrank.state.{module}.TIMEOUT", PATIENCE)
    monkeypatch.setattr("tailrank.state.servers.REPLICA_MS", 500 * PATIENCE)


@contextmanager
def valkey_server(folder: Path, *options: str) -> Iterator[Server]:
    """Run a Valkey or Redis server."""
    if BINARY is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    with Server(folder, *options) as running:
        yield running


def fill(folder: Path, users: int = 300, events: int = 50) -> None:
    """Store events of all users, one after the other, and item changes."""

    async def body(state: State) -> None:
        for n in range(events):
            await state.append(
                [event(f"u{u}", f"i{(u * n) % 997}", 1e9 + n, event_id=str(n)) for u in range(users)]
            )
        await state.change_items([ItemChange("tea", b"{}", {"m": bytes(3000)}), ItemChange("jam", None, {})])
        await state.change_items([ItemChange("tea", b"[]", {"m": bytes(3000)})])
        await state.put_note("learning", "here", bytes(9_000))

    run(body, folder)


async def read_all(state: State, users: int = 300) -> Any:
    histories = [await state.read(f"u{u}") for u in range(users)]
    return histories, await state.item_changes(0), await state.notes("learning")


PATIENCE = 20
"""Seconds."""

IMPORTS = f"""
import asyncio, resource, sys
from tailrank.state import networked, server_url
from tailrank.state.base import ItemChange, StateError, StoredEvent
from tailrank.state.open import open_state
networked.TIMEOUT = server_url.TIMEOUT = {PATIENCE}
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that runs code after `IMPORTS`."""
    return subprocess.Popen(
        [sys.executable, "-c", IMPORTS + textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str], line: str = "") -> str:
    """Send a line to a process, if there is one, and read a line."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return process.stdout.readline()

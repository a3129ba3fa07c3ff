"""A state folder: how large it is, how fast it is filled and read."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.probes import answer
from tailrank.benchmarks.launcher import resident
from tailrank.state.base import StoredEvent
from tailrank.state.compaction import compact
from tailrank.state.open import open_state

EVENTS = 50
AT_ONCE = 100
ITEMS = 100_000
START = 1_700_000_000
READS = 5_000


async def fill(folder: str, users: int) -> float:
    """Write all events of a hundred users at once, users in random order; give events a second."""
    rng, state, seconds = np.random.default_rng(0), open_state(folder), 0.0
    for some in np.array_split(rng.permutation(users), max(1, users // AT_ONCE)):
        owners = np.repeat(some, EVENTS).tolist()
        items = (ITEMS * rng.random(len(owners)) ** 3).astype(int).tolist()
        times = (START + np.sort(rng.integers(10**7, size=(len(some), EVENTS)), axis=1)).ravel().tolist()
        rows = enumerate(zip(owners, items, times, strict=True))
        events = [StoredEvent(str(at), name(u), f"B{i:09d}", "click", float(t)) for at, (u, i, t) in rows]
        start = time.perf_counter()
        await state.append(events)
        seconds += time.perf_counter() - start
    await state.close()
    return users * EVENTS / seconds


async def read(folder: str, users: int) -> dict[str, float]:
    """Read histories of random users; p50 in microseconds, and what the process holds of its own in MB."""
    before, state, durations = resident("self")["own_mb"], open_state(folder), []
    for user in np.random.default_rng(1).integers(users, size=READS).tolist():
        start = time.perf_counter()
        found = await state.read(name(user))
        durations.append(1e6 * (time.perf_counter() - start))
        if len(found.history.items) != EVENTS:
            raise SystemExit(f"{name(user)} has {len(found.history.items)} events, not {EVENTS}")
    held = resident("self")["own_mb"] - before
    await state.close()
    return {"read_p50_us": float(np.median(durations)), "own_mb": held}


def name(user: int) -> str:
    """Name a user, in 14 characters."""
    return f"A{user * 7_919_777 % 10**13:013d}"


def measure(folder: str, users: int) -> dict[str, Any]:
    """Fill a folder, read from it, compact it."""
    filled = asyncio.run(fill(folder, users))
    found = asyncio.run(read(folder, users))
    size, compacted = compact(Path(folder))
    return {
        **{
            "bytes_per_user": size / users,
            "compacted_bytes_per_user": compacted / users,
            "disk_mb": size / 1e6,
        },
        **{"events_per_s": filled, **found},
    }


if __name__ == "__main__":
    answer(measure)

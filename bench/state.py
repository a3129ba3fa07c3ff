"""The state itself, without a server: how fast it writes events and reads, how much room it needs.

Users have ids of 14 characters, items of 10, events of 20; 100,000 items drawn at random, 50 events a user.
`ingest`: events of users drawn at random among 10,000, each durable when acknowledged, in batches of 500,
one after the other, and singly from 32 coroutines. `by day`: one event of every user, then the next, a day
later, as a service sees them, for a twentieth of the users. `loaded`: all events of a user at once, users
in random order, as an import brings them; days between events are lognormal, median 1, sigma 2. Reads are
of users drawn at random, the files in the page cache.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
import uvloop

from bench.study import Json, Keep, alone, report, timed
from bench.valkey import Server
from tailrank.arrays import Doubles, Offsets
from tailrank.benchmarks.launcher import resident
from tailrank.benchmarks.state_size import user_name
from tailrank.bounds import EARLIEST_TIMESTAMP
from tailrank.state.base import EVENTS_PER_USER, StoredEvent
from tailrank.state.compaction import compact
from tailrank.state.open import open_state

ITEMS: Final = 100_000
BATCH: Final = 500
BATCHES: Final = 400
CONNECTIONS: Final = 32
SINGLES: Final = 500
READS: Final = 20_000
SMALL: Final = 10_000
START: Final = 1_700_000_000.0
DAY: Final = 86_400
FEW: Final = 20
SEED: Final = 0


def drawn(users: Offsets, first: int, times: Doubles | None = None) -> list[StoredEvent]:
    """Draw one event for each of some users, by default a second after the other."""
    items = np.random.default_rng([SEED, first]).integers(ITEMS, size=len(users)).tolist()
    when = (START + first + np.arange(len(users)) if times is None else times).tolist()
    return [
        StoredEvent(f"{first + nth:020d}", user_name(u), f"B{item:09d}", "click", time)
        for nth, (u, item, time) in enumerate(zip(users.tolist(), items, when, strict=True))
    ]


def loaded(n_users: int) -> Iterator[list[StoredEvent]]:
    """All events of a few users at once, the users in random order."""
    rng = np.random.default_rng(SEED)
    for n, some in enumerate(np.array_split(rng.permutation(n_users), max(1, n_users // FEW))):
        gaps = DAY * rng.lognormal(sigma=2.0, size=(len(some), EVENTS_PER_USER))
        times = START - np.cumsum(gaps, axis=1)[:, ::-1].clip(max=START - EARLIEST_TIMESTAMP)
        yield drawn(np.repeat(some, EVENTS_PER_USER), n * FEW * EVENTS_PER_USER, times.ravel())


def by_day(n_users: int) -> Iterator[list[StoredEvent]]:
    """One event of every user, in random order, then the next, a day later."""
    rng = np.random.default_rng(SEED)
    for day in range(EVENTS_PER_USER):
        for n, some in enumerate(np.array_split(rng.permutation(n_users), max(1, n_users // BATCH))):
            first = day * n_users + n * BATCH
            yield drawn(some, first, START + DAY * (day + first % n_users / n_users + np.zeros(len(some))))


async def write(location: str, *streams: Iterable[list[StoredEvent]]) -> int:
    """Write the batches of each stream one after the other, streams at once; gives events a second."""
    state = open_state(location)

    async def send(batches: Iterable[list[StoredEvent]]) -> int:
        n = 0
        for batch in batches:
            await state.append(batch)
            n += len(batch)
        return n

    start = time.perf_counter()
    written = sum(await asyncio.gather(*map(send, streams)))
    seconds = time.perf_counter() - start
    await state.close()
    return round(written / seconds)


def ingest(location: str) -> Json:
    """Give events a second."""
    rng, first = np.random.default_rng(SEED), BATCHES * BATCH
    batches = [drawn(rng.integers(SMALL, size=BATCH), b * BATCH) for b in range(BATCHES)]
    singles = [drawn(rng.integers(SMALL, size=SINGLES), first + c * SINGLES) for c in range(CONNECTIONS)]
    return {
        "batches_events_per_s": uvloop.run(write(location, batches)),
        "singles_events_per_s": uvloop.run(write(location, *([[each] for each in some] for some in singles))),
    }


async def reads(location: str, n_users: int) -> Json:
    """Give how long a read takes, in microseconds."""
    state = open_state(location)
    names = [user_name(n) for n in np.random.default_rng(SEED).integers(n_users, size=2 * READS).tolist()]
    microseconds = []
    for name in names:
        start = time.perf_counter()
        read = await state.read(name)
        microseconds.append(1e6 * (time.perf_counter() - start))
        if len(read.history.items) != EVENTS_PER_USER:
            raise SystemExit(
                f"{name} has {len(read.history.items)} events, not {EVENTS_PER_USER}: the state lost some"
            )
    await state.close()
    p50, p99 = np.percentile(microseconds[READS:], [50, 99]).tolist()
    return {"p50_us": round(p50, 1), "p99_us": round(p99, 1)}


def memory(location: str, n_users: int) -> Json:
    """Give what a process holds after reading all users, in MB: its own, and shared pages of files."""

    async def read_all() -> Json:
        before = resident("self")
        state, opened = timed(lambda: open_state(location))
        for n in range(n_users):
            await state.read(user_name(n))
        more = {name: round(held - before[name], 1) for name, held in resident("self").items()}
        await state.close()
        return {"open_ms": round(1000 * opened, 1), "own_mb": more["own_mb"], "shared_mb": more["files_mb"]}

    return asyncio.run(read_all())


def sized(folder: Path, n_users: int, batches: Iterable[list[StoredEvent]]) -> Json:
    """Fill a folder; give its bytes a user before and after compaction, and reads after it."""
    location = str(folder)
    rate, read = uvloop.run(write(location, batches)), uvloop.run(reads(location, n_users))
    (before, after), seconds = timed(lambda: compact(folder))
    return {
        "users": n_users,
        "events_per_s": rate,
        "bytes_per_user": round(before / n_users, 1),
        "bytes_per_user_compacted": round(after / n_users, 1),
        "mb": round(before / 1e6, 1),
        "mb_compacted": round(after / 1e6, 1),
        "compaction_s": round(seconds, 1),
        "read": read,
        "memory": alone(memory, location, n_users),
        "read_compacted": uvloop.run(reads(location, n_users)),
    }


def embedded(folder: Path, n_users: int) -> Json:
    """Measure a folder."""
    return {
        "ingest": ingest(str(folder / "ingest")),
        "small": sized(folder / "small", SMALL, loaded(SMALL)),
        "by day": sized(folder / "by-day", n_users // 20, by_day(n_users // 20)),
        "loaded": sized(folder / "loaded", n_users, loaded(n_users)),
    }


def networked(folder: Path, n_users: int) -> Json:
    """Measure a server that this starts, with fewer users."""
    with Server(folder) as server:
        rates = ingest(server.url)
    with tempfile.TemporaryDirectory(dir=folder) as fresh, Server(Path(fresh)) as server:
        empty = _used(server.url)
        rate = uvloop.run(write(server.url, loaded(n_users)))
        return {
            "ingest": rates,
            "loaded": {
                "users": n_users,
                "events_per_s": rate,
                "server_bytes_per_user": round((_used(server.url) - empty) / n_users, 1),
                "read": uvloop.run(reads(server.url, n_users)),
            },
        }


def _used(url: str) -> int:
    from valkey import Valkey

    with Valkey.from_url(url) as client:
        return int(client.info("memory")["used_memory"])


def main(
    users: Annotated[int, typer.Option(help="Users with 50 events each.")] = 1_000_000,
    location: Annotated[
        Path | None, typer.Option("--dir", help="Where to work, removed afterwards; a local disk.")
    ] = None,
    keep: Keep = False,
) -> None:
    """Measure, print one JSON object, and keep it."""
    with tempfile.TemporaryDirectory(dir=location) as folder:
        found = {"embedded": embedded(Path(folder), users)}
        found["networked"] = networked(Path(folder), min(SMALL, users))
    report("state.json", found, keep)

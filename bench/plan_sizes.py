"""What so many events and requests need: arithmetic with measured costs, and simulated machines."""

from __future__ import annotations

import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import uvloop
from threadpoolctl import threadpool_limits

from bench.plan_check import summary
from bench.plan_load import CANDIDATES, KINDS, POWER, Costs, arrivals, processor_seconds, zipf
from bench.queueing import Load, Loss, Machine, simulate
from bench.sizes import tables
from bench.state import by_day, write
from bench.study import Json, alone, peak_mb
from bench.valkey import IN_MEMORY, Server
from tailrank.arrays import Bools, Offsets
from tailrank.benchmarks.state_size import user_name
from tailrank.benchmarks.subject import EVENTS, Subject, draw_candidates
from tailrank.data.dataset import Dataset
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.signals.sequence.recall import REMEMBERED
from tailrank.state.open import open_state

CORES: Final = 16
"""Of a machine."""

ITEMS: Final = 100_000
PER_USER: Final = 20
"""Of the events that are read from Parquet to see what that takes."""

USERS: Final = 2_000
"""For whom lists are ranked at once."""

STORED: Final = 400
"""Users whose events are written to Valkey and read."""

P99_MS: Final = 20.0
"""What nearly all answers must stay below."""

BURST: Final = 2.0
NEW: Final = 0.5
"""Share of the requests that come after an event of their user."""

ACTIVE: Final = 200
"""Users who come again and again, for each request a second."""

SIMULATED: Final = {1_000: (4, 20.0), 10_000: (CORES, 6.0), 100_000: (CORES, 2.5)}
"""Cores of a machine and seconds, of each number of requests a second; a burst lies in each."""

WARM_UP: Final = 3
"""Requests that a worker has answered before, as a multiple of the histories that it remembers."""

NOTICED, RETRY = 1.0, 0.25
"""Seconds until a load balancer gives up a machine that is gone, and until it tries another for a request."""


def measured_sizes(it: Subject, seed: int) -> Json:
    """Measure what no other study does: reading events, users in Valkey, and lists for many users."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return {
            **alone(_written, place),
            **alone(_reading, place),
            **_valkey(place),
            **_lists(it, seed),
        }


def _written(folder: Path) -> Json:
    items, events = tables(ITEMS, PER_USER)
    items.write_parquet(folder / "items.parquet")
    events.write_parquet(folder / "events.parquet")
    return {"events": len(events), "bytes": (folder / "events.parquet").stat().st_size}


def _reading(folder: Path) -> Json:
    """Give the memory that reading takes at its peak, and time of the processor."""
    before, start = peak_mb(), time.process_time()
    Dataset.load(folder)
    return {"peak_bytes": 2**20 * (peak_mb() - before), "cpu_s": time.process_time() - start}


def _valkey(folder: Path) -> Json:
    """Give the bytes of a user with 50 events, and the server's microseconds for an event and for a read."""
    from valkey import Valkey

    async def read_all(url: str) -> None:
        state = open_state(url)
        for user in range(STORED):
            await state.read(user_name(user))
        await state.close()

    def spent(work: Callable[[], object]) -> float:
        before = processor_seconds(server.process.pid)
        work()
        return 1e6 * (processor_seconds(server.process.pid) - before)

    with Server(folder, *IN_MEMORY) as server, Valkey.from_url(server.url) as client:
        empty = client.info("memory")["used_memory"]
        events_us = spent(lambda: uvloop.run(write(server.url, by_day(STORED)))) / (STORED * EVENTS)
        held = client.info("memory")["used_memory"]
        reads_us = spent(lambda: uvloop.run(read_all(server.url))) / STORED
    return {"user_bytes": (held - empty) / STORED, "event_us": events_us, "read_us": reads_us}


def _lists(it: Subject, seed: int) -> Json:
    reranker, rng = Reranker.load(it.model), np.random.default_rng(seed)
    h = it.histories
    rows = [it.dataset.events(h, slice(at, at + EVENTS)) for at in range(0, len(h.items), EVENTS)]
    lists = draw_candidates(it.dataset, USERS, CANDIDATES, rng)
    asked = [Request(rows[at % len(rows)], names, k=10) for at, names in enumerate(lists)]
    with threadpool_limits(limits=1):
        reranker.rank_many(asked[:100])
        start = time.process_time()
        reranker.rank_many(asked)
    return {"users_per_core_s": USERS / (time.process_time() - start)}


def kinds_of(users: Offsets, workers: Offsets, later: Bools, n_workers: int) -> Offsets:
    """Say of each request whether its worker remembers the user; positions in `KINDS`, shape (requests,).

    Each worker remembers the users that it ranked for last.
    """
    memories: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(n_workers)]
    kinds = np.full(len(users), KINDS.index("read anew"))
    for at, (user, worker) in enumerate(zip(users.tolist(), workers.tolist(), strict=True)):
        memory = memories[worker]
        if user in memory:
            kinds[at] = later[at]
            memory.move_to_end(user)
        else:
            memory[user] = None
            if len(memory) > REMEMBERED:
                memory.popitem(last=False)
    return kinds


def served(rate: int, costs: Costs, state_us: float, seed: int) -> Json:
    """Find the fewest machines that keep the promise in bursts when one of them is missing.

    Parameters
    ----------
    rate
        Requests a second; in bursts `BURST` times as many.
    costs, state_us
        Of a request, and what it costs besides to read the history from Valkey, in microseconds.
    seed
        Of the simulation.
    """
    cores, _ = SIMULATED[rate]
    more = replace(costs, work=costs.work + state_us / 1e6)
    machines = ceil(BURST * rate * float(more.work[1].mean()) / cores)
    while True:
        found = _simulated(machines, rate, more, seed, BURST)
        if found["p99_ms"] <= P99_MS and not found["refused"]:
            break
        machines = max(machines + 1, ceil(1.05 * machines))
    ways = {"steady": (1.0, None), "burst": (BURST, None), "loss": (1.0, Loss(cores, 0.5, NOTICED, RETRY))}
    return {
        **{"rate": rate, "cores": cores, "machines": machines + 1, "burst, one missing": found},
        **{name: _simulated(machines + 1, rate, more, seed, *way) for name, way in ways.items()},
    }


def _simulated(
    machines: int, rate: int, costs: Costs, seed: int, burst: float, loss: Loss | None = None
) -> Json:
    cores, seconds = SIMULATED[rate]
    rng, n_workers = np.random.default_rng(seed), machines * cores
    due = arrivals(rate, seconds, rng, burst)
    n_before = WARM_UP * n_workers * REMEMBERED
    users = zipf(ACTIVE * rate, n_before + len(due), POWER, rng)
    workers, later = rng.integers(n_workers, size=len(users)), rng.random(len(users)) < NEW
    kinds = kinds_of(users, workers, later, n_workers)[n_before:]
    work = costs.drawn(kinds, rng)
    machine = Machine(n_workers, n_workers, wake=costs.wake, refusal=costs.refusal, rest=costs.rest)
    waited = simulate(machine, Load(due, work), loss)
    return {
        **summary(waited),
        "busy": float(work.sum() / (seconds * n_workers)),
        "remembered": float(np.mean(kinds < KINDS.index("read anew"))),
        "slow": float(np.mean(waited.ms > P99_MS)),
    }

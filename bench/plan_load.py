"""What a server is sent to see how long answers take, and what one request costs it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bench import valkey
from bench.queueing import Rest
from bench.study import Json
from tailrank.arrays import Doubles, Offsets
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server, measured_server, resident
from tailrank.benchmarks.load import Answers, drive
from tailrank.benchmarks.subject import EVENTS, Subject, draw_candidates

CANDIDATES: Final = 100
EVERY, LASTING = 5.0, 1.0
"""Seconds from one burst to the next, and of one."""

LINES: Final = 48
"""Connections to each worker: more than it lets wait."""

WARM_UP: Final = 1_000
POWER: Final = 0.8
"""Of a user's rank that the share of the requests falls with."""

SAMPLES: Final = 2_000
KINDS: Final = ("as before", "after an event", "read anew")
"""Of requests: the worker remembers the user's history, remembers it but for the latest event, or doesn't."""

POOL: Final = 4_000
"""Different requests of each kind."""

RESTS: Final = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.02)
"""Seconds for which a server has nothing to do before a request."""

WARM: Final = 3
"""Requests without a rest before each that is timed after one."""

UNDISTURBED: Final = 10
"""Percentile of what is lost between client and server that other processes add least to."""

QUANTILES: Final = np.linspace(0, 100, 201)
"""At which stored durations are kept."""


@dataclass(frozen=True)
class Costs:
    """What a request takes, measured one by one.

    Attributes
    ----------
    work
        Of each kind, time of the server's processor in seconds, at `QUANTILES`; shape (kinds, quantiles).
    wake
        Seconds until a process that rests begins, once there is something to do.
    client
        Seconds of the processor that sending takes, and reading an answer.
    refusal
        Seconds of the server's processor for a refusal.
    rest
        How much slower the server is after a rest.
    """

    work: Doubles
    wake: float
    client: float
    refusal: float
    rest: Rest

    @classmethod
    def of(cls, stored: Json) -> Costs:
        """Read what `measured_costs` gave."""
        work = np.array([stored["work_us"][kind] for kind in KINDS]) / 1e6
        wake, client, refusal = (stored[name] / 1e6 for name in ("wake_us", "client_us", "refusal_us"))
        return cls(work, wake, client, refusal, Rest(RESTS, tuple(stored["slower"])))

    def slowed(self, times: float) -> Costs:
        """Let the server take so many times as long: the speed of a machine that others share changes."""
        return replace(self, work=times * self.work, refusal=times * self.refusal)

    def drawn(self, kinds: Offsets, rng: np.random.Generator) -> Doubles:
        """Draw the work of requests; `kinds` are positions in `KINDS`, shape (requests,)."""
        at = 100 * rng.random(len(kinds))
        drawn: Doubles = np.choose(kinds, [np.interp(at, QUANTILES, row) for row in self.work])
        return drawn

    def capacity(self, workers: int, cores: int) -> float:
        """Give the requests a second that workers can answer beside a client that needs these cores, too."""
        mean = float(self.work.mean())
        return min(workers / mean, cores / (mean + 2 * self.client))


def arrivals(rate: float, seconds: float, rng: np.random.Generator, burst: float = 1.0) -> Doubles:
    """Draw when requests come, a Poisson process; in bursts, so many times as many come."""
    edges = np.arange(0.0, seconds + EVERY, EVERY)
    times = np.sort(np.concatenate([edges, edges + LASTING]))
    rates = np.tile([burst * rate, rate], len(edges))[:-1]
    expected = np.concatenate([[0.0], np.cumsum(rates * np.diff(times))])
    n = rng.poisson(np.interp(seconds, times, expected))
    drawn = np.sort(rng.uniform(0, np.interp(seconds, times, expected), n))
    due: Doubles = np.interp(drawn, expected, times)
    return due


def zipf(n_users: int, n: int, power: float, rng: np.random.Generator) -> Offsets:
    """Draw the user of each request: the share of a user falls with a power of the rank."""
    shares = np.cumsum(np.arange(1, n_users + 1) ** -power)
    users: Offsets = np.searchsorted(shares, shares[-1] * rng.random(n))
    return users


def bodies(it: Subject, kind: int, n: int, rng: np.random.Generator) -> list[bytes]:
    """Draw requests of one kind; few users make many of them.

    Users differ between kinds, or one kind would change what a worker remembers for the other.
    """
    some = it.users[kind::2]
    users = [some[at] for at in zipf(len(some), n, POWER, rng).tolist()]
    if KINDS[kind] != "read anew":
        ranked = it.rankings(n, CANDIDATES, rng, users, new_event=KINDS[kind] == "after an event")
        return [request("/v1/rank", body) for body in ranked]
    lists, histories = (draw_candidates(it.dataset, n, size, rng) for size in (CANDIDATES, EVENTS))
    rows = zip(lists, histories, strict=True)
    unknown = ({"candidates": names, "history": history} for names, history in rows)
    return [request("/v1/rank", msgspec.json.encode(body)) for body in unknown]


def mixed(pools: Sequence[Sequence[bytes]], n: int, rng: np.random.Generator) -> tuple[list[bytes], Offsets]:
    """Draw so many requests of all kinds alike, and say which kind each is."""
    kinds = rng.integers(len(pools), size=n)
    at = rng.integers(POOL, size=n).tolist()
    return [pools[kind][one] for kind, one in zip(kinds.tolist(), at, strict=True)], kinds


def processor_seconds(process: int) -> float:
    """Give the time that a process has had on cores, to the nanosecond."""
    tasks = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def measured_costs(it: Subject, seed: int) -> Json:
    """Time single requests, one after the other, on a server with a core of its own."""
    rng = np.random.default_rng(seed)
    with measured_server(it.model, it.state) as server:
        it.store_events(server.port)
        pools = [bodies(it, kind, SAMPLES + WARM_UP, rng) for kind in range(len(KINDS))]
        single = dict(zip(KINDS, (_single(server, some) for some in pools), strict=True))
        slower = _slower(server, pools[1], rng)
        alive = _single(server, [request("/healthz")] * (SAMPLES + WARM_UP))
        due = arrivals(0.5e6 / single[KINDS[1]]["server_us"], SAMPLES / 1_000, rng)
        client, _ = timed_client(lambda: drive(server.port, pools[1][: len(due)], LINES, due))
        memory = resident(server.process.pid)
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey.Server(Path(folder), *valkey.IN_MEMORY) as state,
        measured_server(it.model, state.url) as server,
    ):
        it.store_events(server.port)
        networked = _single(server, pools[1])
    return {
        "work_us": {kind: one.pop("quantiles_us") for kind, one in single.items()},
        "single": single,
        "slower": slower,
        "wake_us": float(np.mean([one["outside_us"] for one in single.values()])) / 2,
        "client_us": 1e6 * client / len(due) / 2,
        "refusal_us": alive["server_us"],
        "valkey_us": networked["server_us"] - single[KINDS[1]]["server_us"],
        **memory,
    }


def _single(server: Server, requests: Sequence[bytes]) -> Json:
    """Send requests one after the other; gives means of the last ones, and quantiles of the server's time."""
    connection, clock, process = Connection(server.port), time.perf_counter, server.process.pid
    for one in requests[:WARM_UP]:
        connection.insist(one)
    times = []
    for one in requests[WARM_UP:]:
        before, own, start = processor_seconds(process), time.process_time(), clock()
        answer = connection.insist(one)
        took = clock() - start, time.process_time() - own
        times.append((*took, processor_seconds(process) - before))
    connection.close()
    latency, client, work = 1e6 * np.array(times).T
    return {
        "latency_us": float(latency.mean()),
        "outside_us": max(0.0, float(np.percentile(latency - client - work, UNDISTURBED))),
        "client_us": float(client.mean()),
        "server_us": float(work.mean()),
        "request_bytes": len(one),
        "answer_bytes": len(answer),
        "quantiles_us": np.percentile(work, QUANTILES).round(1).tolist(),
    }


def _slower(server: Server, requests: Sequence[bytes], rng: np.random.Generator) -> list[float]:
    """Give how many times as long a request takes the server's processor after each of `RESTS`."""
    connection, process, every = Connection(server.port), server.process.pid, WARM + 1
    rests = rng.permutation(np.arange(len(requests) // every) % len(RESTS))
    spent: list[list[float]] = [[] for _ in RESTS]
    for at, rest in enumerate(rests.tolist()):
        *warm, last = requests[at * every : (at + 1) * every]
        for one in warm:
            connection.insist(one)
        if RESTS[rest]:
            time.sleep(RESTS[rest])
        before = processor_seconds(process)
        connection.insist(last)
        spent[rest].append(processor_seconds(process) - before)
    connection.close()
    means = np.array([np.mean(some) for some in spent])
    slower: list[float] = (means / means[0]).round(3).tolist()
    return slower


def timed_client(call: Callable[[], Answers]) -> tuple[float, Answers]:
    """Give the processor's time that this process took, and what came of it."""
    before = time.process_time()
    answers = call()
    return time.process_time() - before, answers

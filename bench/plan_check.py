"""Servers under requests that come at random, and the same requests simulated: what each says of waiting."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from bench.plan_load import (
    KINDS,
    LINES,
    POOL,
    Costs,
    arrivals,
    bodies,
    mixed,
    processor_seconds,
    timed_client,
)
from bench.queueing import Load, Machine, Waited, simulate
from bench.study import Json
from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import OK, SHED, Connection
from tailrank.benchmarks.launcher import Server
from tailrank.benchmarks.load import drive
from tailrank.benchmarks.subject import Subject
from tailrank.benchmarks.timing import percentiles
from tailrank.errors import RequestError

WORKERS: Final = (1, 2, 3, 4)
POINTS: Final = ((0.5, 1.0), (0.7, 1.0), (0.85, 1.0), (0.4, 2.0), (1.3, 1.0))
"""Requests, as a share of what the machine should answer, and how many times as many come in a burst."""

ATTEMPTS: Final = 40
"""Connections opened for each that is wanted before giving up on the system's choice of workers."""

TIMED: Final = 600
"""Requests that are answered one by one before each point, to see how fast the machine is by then."""

WARM_UP: Final = 3_000
"""Requests to each worker before it is measured."""

DRAWS: Final = 2
"""Simulations of each point, of which means are given."""


def compared(it: Subject, costs: Costs, seconds: float, seed: int) -> Iterator[Json]:
    """Load servers of 1 to 4 workers for so many seconds at each point, and simulate the same requests."""
    cores, rng = len(os.sched_getaffinity(0)), np.random.default_rng(seed)
    pools = [bodies(it, kind, POOL, rng) for kind in range(len(KINDS))]
    for workers in WORKERS:
        times = {"wake": costs.wake, "refusal": costs.refusal, "client": costs.client}
        machine = Machine(workers, cores, LINES, **times, rest=costs.rest)
        with Server(it.model, it.state, "--workers", str(workers)) as server:
            it.store_events(server.port)
            few = balanced(server, lines=2)  # so that no request is refused
            drive(server.port, mixed(pools, WARM_UP * workers, rng)[0], len(few), opened=few)
            for share, burst in POINTS:
                slowness = _slowness(server, mixed(pools, TIMED, rng)[0], costs)
                now = costs.slowed(slowness)
                rate = share * now.capacity(workers, cores)
                due = arrivals(rate, seconds, rng, burst)
                sent, kinds = mixed(pools, len(due), rng)
                about = {"workers": workers, "share": share, "burst": burst, "rate": rate}
                found = _loaded(server, sent, due)
                drawn = (now.drawn(kinds, rng) for _ in range(DRAWS))
                predicted = [summary(simulate(machine, Load(due, work))) for work in drawn]
                yield {**about, "slowness": slowness, "measured": found, "predicted": _mean(predicted)}


def _slowness(server: Server, requests: Sequence[bytes], costs: Costs) -> float:
    """Give how many times as long requests take by now as when their costs were measured."""
    connection, workers = Connection(server.port), server.workers()
    before = sum(map(processor_seconds, workers))
    for one in requests:
        connection.insist(one)
    connection.close()
    return (sum(map(processor_seconds, workers)) - before) / len(requests) / float(costs.work.mean())


def _loaded(server: Server, sent: Sequence[bytes], due: Doubles) -> Json:
    """Load a server in an open loop; gives what `summary` gives, and what tells whether it was disturbed."""
    lines, workers = balanced(server), server.workers()
    before = [processor_seconds(worker) for worker in workers]
    client, answers = timed_client(lambda: drive(server.port, sent, len(lines), due, lines))
    spent = sum(map(processor_seconds, workers)) - sum(before)
    if not np.isin(answers.status, (OK, SHED)).all():
        raise RequestError(f"rankings were answered with {sorted(set(answers.status.tolist()))}")
    waited = Waited(answers.ms, answers.status == SHED, answers.seconds - due[0])
    about = {"server_us": 1e6 * spent / len(due), "client_us": 1e6 * client / len(due) / 2}
    late = float(np.percentile(answers.late_ms, 99))
    return {**summary(waited), **about, "late_p99_ms": late}


def summary(waited: Waited) -> Json:
    """Give percentiles of the answers that weren't refusals, how many a second, and the share refused."""
    given = waited.ms[~waited.refused]
    return {
        **percentiles(given),
        "answered_per_s": float(len(given) / waited.seconds),
        "refused": float(waited.refused.mean()),
    }


def _mean(rows: Sequence[Json]) -> Json:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def balanced(server: Server, lines: int = LINES) -> list[Connection]:
    """Open connections until each worker has so many; they take turns.

    Raises
    ------
    RequestError
        If the system gives nearly all of them to some workers.
    """
    found: dict[int, list[Connection]] = {worker: [] for worker in server.workers()}
    for _ in range(ATTEMPTS * lines * len(found)):
        connection = Connection(server.port)
        some = found[server.worker_of(connection)]
        if len(some) < lines:
            some.append(connection)
        else:
            connection.close()
        if all(len(each) == lines for each in found.values()):
            return [connection for turn in zip(*found.values(), strict=True) for connection in turn]
    raise RequestError(f"{len(found)} workers: the system connects clients to few of them; try again")


def free_share(seconds: float = 1.0) -> float:
    """Give the share of a core that a process that only computes gets here: 1 unless others compute, too."""
    start, before = time.perf_counter(), time.process_time()
    while time.perf_counter() < start + seconds:
        pass
    return (time.process_time() - before) / (time.perf_counter() - start)

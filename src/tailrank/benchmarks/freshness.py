"""Whether a ranking knows of an event as soon as that is acknowledged."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from tailrank.benchmarks.connection import Connection
from tailrank.benchmarks.launcher import Server, measured_server
from tailrank.benchmarks.subject import EVENTS, START, Subject, draw_candidates, event_json
from tailrank.benchmarks.timing import Measurements, percentiles
from tailrank.data.histories import Event
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker

CANDIDATES: Final = 20
USERS: Final = 100
TRIES: Final = 200
CLOSE: Final = 1e-4
"""Of two scores that are the same, computed in another process."""


def measure(it: Subject, n: int, workers: int) -> Measurements:
    """Check `n` pairs of an event and a ranking, each on a connection of its own.

    With two workers, the connections lead to different ones, and take turns.

    Raises
    ------
    RequestError
        If the system doesn't tell the workers apart.
    """
    state = it.state.with_name(f"state-{workers}")
    options = ["--workers", str(workers)] if workers > 1 else []
    with measured_server(it.model, state, *options) as server, threadpool_limits(limits=1):
        return check(it, n, _connections(server, workers))


def _connections(server: Server, workers: int) -> tuple[Connection, Connection]:
    first = Connection(server.port)
    if workers == 1:
        return first, Connection(server.port)
    for _ in range(TRIES):
        second = Connection(server.port)
        if server.worker_of(first) != server.worker_of(second):
            return first, second
    raise RequestError(f"{TRIES} connections all led to one worker")


def check(it: Subject, n: int, connections: tuple[Connection, Connection]) -> Measurements:
    """Send events of some users in turn, and compare what is ranked next with what the library ranks."""
    reranker, rng = Reranker.load(it.model), np.random.default_rng(0)
    names, event_type = it.dataset.item_ids, it.dataset.event_types[0]
    items = rng.integers(len(names), size=n).tolist()
    histories: list[list[Event]] = [[] for _ in range(USERS)]
    misses, telling, milliseconds = 0, 0, []
    for at, candidates in enumerate(draw_candidates(it.dataset, n, CANDIDATES, rng)):
        sender, asker = connections if at % 2 else connections[::-1]
        user, item, time_of_event = f"user-{at % USERS}", names[items[at]], START + at
        known = histories[at % USERS]
        before = _scores(reranker, known, candidates)
        start = time.perf_counter()
        sender.ask("/v1/events", event_json(at, user, item, event_type, time_of_event))
        answer = asker.ask("/v1/rank", {"user": user, "candidates": candidates})
        milliseconds.append(1e3 * (time.perf_counter() - start))
        histories[at % USERS] = history = [*known, Event(item, event_type, time_of_event)][-EVENTS:]
        after = _scores(reranker, history, candidates)
        misses += not _same({item["id"]: item["score"] for item in answer["items"]}, after)
        telling += not _same(before, after)
    return {"checked": n, "telling": telling, "misses": misses, **percentiles(np.array(milliseconds))}


def _scores(reranker: Reranker, history: list[Event], candidates: list[str]) -> dict[str, float]:
    return {item.item_id: item.score for item in reranker.rank(history, candidates)}


def _same(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(abs(one[name] - other[name]) < CLOSE for name in other)

"""Whether a ranking knows of an event as soon as that is acknowledged."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from tailrank.benchmarks.connection import Connection
from tailrank.benchmarks.figures import Figures, percentiles
from tailrank.benchmarks.launcher import Running, running, worker_of
from tailrank.benchmarks.subject import EVENTS, Subject
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker

CANDIDATES: Final = 20
PEOPLE: Final = 100
TRIES: Final = 200
CLOSE: Final = 1e-4
"""Of two scores that are the same, computed in another process."""

START: Final = 1_700_000_000


def freshness(it: Subject, n: int, workers: int) -> Figures:
    """Check `n` pairs of an event and a ranking, each on a connection of its own.

    With two workers, the connections lead to different ones, and take turns.

    Raises
    ------
    RequestError
        Where the workers can't be told apart.
    """
    state = it.state.with_name(f"state-{workers}")
    with running(it.model, state, *(["--workers", str(workers)] if workers > 1 else [])) as server:
        pair = _pair(server, workers)
        with threadpool_limits(limits=1):
            return checked(it, n, pair)


def _pair(server: Running, workers: int) -> tuple[Connection, Connection]:
    first = Connection(server.port)
    if workers == 1:
        return first, Connection(server.port)
    for _ in range(TRIES):
        second = Connection(server.port)
        if worker_of(server, first) != worker_of(server, second):
            return first, second
    raise RequestError(f"{TRIES} connections all led to one worker")


def checked(it: Subject, n: int, pair: tuple[Connection, Connection]) -> Figures:
    """Send events in turn for some people, and compare what is ranked next with what should be."""
    reranker, rng = Reranker.load(it.model), np.random.default_rng(0)
    names, kind = it.dataset.item_ids, it.dataset.event_types[0]
    items = rng.integers(len(names), size=n).tolist()
    pasts = [History([], [], []) for _ in range(PEOPLE)]
    misses = telling = 0
    taken = []
    for at, candidates in enumerate(it.candidates(n, CANDIDATES, rng)):
        sender, asker = pair if at % 2 else pair[::-1]
        user, past = f"person-{at % PEOPLE}", pasts[at % PEOPLE]
        before = _expected(reranker, past, candidates)
        event = {"event_id": str(at), "user_id": user, "item_id": names[items[at]], "event": kind}
        start = time.perf_counter()
        sender.ask("/v1/events", {**event, "timestamp": START + at})
        answer = asker.ask("/v1/rank", {"user": user, "candidates": candidates})
        taken.append(1e3 * (time.perf_counter() - start))
        past = pasts[at % PEOPLE] = _grown(past, History([names[items[at]]], [kind], [START + at]))
        after = _expected(reranker, past, candidates)
        misses += not _same({item["id"]: item["score"] for item in answer["items"]}, after)
        telling += not _same(before, after)
    return {"checked": n, "telling": telling, "misses": misses, **percentiles(np.array(taken))}


def _grown(past: History, event: History) -> History:
    """Add an event, as the state should."""
    return History(
        (past.items + event.items)[-EVENTS:],
        (past.events + event.events)[-EVENTS:],
        (past.times + event.times)[-EVENTS:],
    )


def _expected(reranker: Reranker, past: History, candidates: list[str]) -> dict[str, float]:
    from tailrank.api import RankRequest
    from tailrank.server.placing import Asked, place

    request = RankRequest(candidates=list(candidates))
    return {item.id: item.score for item in place(reranker, Asked.of(candidates), request, past)}


def _same(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(abs(one[name] - other[name]) < CLOSE for name in other)

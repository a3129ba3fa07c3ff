"""Time `/v1/rank` by Metarank's protocol: one client that waits, random candidates, on one machine.

Users have 50 stored events, and take turns. For each number of candidates there are 5,000 requests,
after 1,000 to warm up. The protocol is `LatencyBenchmark.scala` of github.com/metarank/metarank, which
its documentation names as the source of its numbers (doc/performance.md); it warms up once.

So a user's history is the same each time, and the model recalls what it made of it. `after an event` is
the other case, a user's first ranking after one: each request brings an event that isn't stored.

`codec_ms`, `state_ms` and `model_ms` are medians of the same steps in this process, and `framework_ms`
is the rest: HTTP, the system's sockets, and this client. `alive` is a request that needs no work.

`within 5 ms`: up to 2,000 candidates, with a deadline that is as long; `degraded` is the share of requests
whose candidates came back in their old order, because there was no time to rank them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from tailrank.api import MAX_CANDIDATES, RankedItem, Ranking, RankRequest
from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import OK, Connection, request
from tailrank.benchmarks.launcher import Server, measured_server
from tailrank.benchmarks.subject import Subject
from tailrank.benchmarks.timing import WARM_UP, Measurements, percentiles, time_requests
from tailrank.data.histories import History
from tailrank.ranking.reranker import Reranker
from tailrank.state.open import open_state

SIZES: Final = (25, 50, 100, 200, 300)
NEW_EVENT_SIZES: Final = (100, 300)
BUDGET_MS: Final = 5
PARTS: Final = ("codec_ms", "state_ms", "model_ms")


def measure(it: Subject, requests: int, seed: int) -> Measurements:
    """Time so many requests of each size."""
    rng, sent = np.random.default_rng(seed), requests + requests // WARM_UP
    with measured_server(it.model, it.state) as server:
        it.store_events(server.port)
        reranker, found = Reranker.load(it.model), {}
        for size, new in [(size, False) for size in SIZES] + [(size, True) for size in NEW_EVENT_SIZES]:
            bodies = it.rankings(sent, size, rng, new_event=new)
            name = f"{size} after an event" if new else str(size)
            found[name] = _measured(it, reranker, server, bodies, requests)
        size = min(MAX_CANDIDATES, len(it.dataset.item_ids))
        bodies = it.rankings(sent, size, rng, deadline_ms=BUDGET_MS)
        found[f"within {BUDGET_MS} ms"] = {"candidates": size} | _within(server.port, bodies, requests)
        return found | {"alive": time_requests(server.port, [request("/healthz")] * sent, requests)}


def _measured(
    it: Subject, reranker: Reranker, server: Server, bodies: list[bytes], last: int
) -> dict[str, float]:
    whole = time_requests(server.port, [request("/v1/rank", body) for body in bodies], last)
    with threadpool_limits(limits=1):
        parts = asyncio.run(_parts(it, reranker, bodies))[-last:]
    shares = dict(zip(PARTS, np.median(parts, axis=0).tolist(), strict=True))
    return {**whole, **shares, "framework_ms": whole["p50_ms"] - sum(shares.values())}


def _within(port: int, bodies: list[bytes], last: int) -> dict[str, float]:
    """Time requests that have a deadline, and count those of which it passed."""
    connection, clock, milliseconds, degraded = Connection(port), time.perf_counter, [], []
    for body in bodies:
        start = clock()
        status, answer = connection.exchange(request("/v1/rank", body))
        milliseconds.append(1e3 * (clock() - start))
        degraded.append(status != OK or b'"degraded":true' in answer[:200])
    connection.close()
    return percentiles(np.array(milliseconds[-last:])) | {"degraded": float(np.mean(degraded[-last:]))}


async def _parts(it: Subject, reranker: Reranker, bodies: list[bytes]) -> Doubles:
    """Do what the server does for each body, in this process; milliseconds, shape (bodies, parts)."""
    state, clock, milliseconds = open_state(str(it.state)), time.perf_counter, []
    decode, encode = msgspec.json.Decoder(RankRequest).decode, msgspec.json.Encoder().encode
    for body in bodies:
        start = clock()
        wanted = decode(body)
        decoded = clock()
        history = (await state.read(wanted.user or "")).history
        read = clock()
        items = rank(reranker, wanted, history)
        ranked = clock()
        encode(Ranking("0" * 24, it.model.name, 0.0, False, items))
        encoded = clock()
        milliseconds.append((decoded - start + encoded - ranked, read - decoded, ranked - read))
    await state.close()
    return 1e3 * np.array(milliseconds)


def rank(reranker: Reranker, wanted: RankRequest, history: History) -> list[RankedItem]:
    """Rank as the server does, for a stored history."""
    from tailrank.server.translation import to_items, to_request

    return to_items(reranker.rank(to_request(wanted, history)))

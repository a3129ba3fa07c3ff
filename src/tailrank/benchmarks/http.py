"""`tailrank bench http`: how long one ranking takes, asked for over HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

import msgspec
import numpy as np
import typer
from threadpoolctl import threadpool_limits

from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.figures import AsJson, Figures, percentiles, show
from tailrank.benchmarks.launcher import Running, running
from tailrank.benchmarks.subject import Epochs, Model, Subject, subject
from tailrank.cli.options import Data, Seed
from tailrank.ranking.reranker import Reranker
from tailrank.state.open import open_state

SIZES: Final = (25, 50, 100, 200, 300)
AFTER: Final = (100, 300)
"""Sizes that are also measured with an event that is new."""

WARM_UP: Final = 5
"""One request to warm up for so many that count."""

PARTS: Final = ("codec_ms", "state_ms", "model_ms")


def http(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    requests: Annotated[int, typer.Option(min=5, help="Requests of each size.")] = 5_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time `/v1/rank` by Metarank's protocol: one client that waits, random candidates, on one machine.

    People have 50 stored events, and take turns. For each number of candidates there are 5,000 requests,
    after 1,000 to warm up. The protocol is `LatencyBenchmark.scala` of github.com/metarank/metarank, which
    its documentation names as the source of its figures (doc/performance.md); it warms up once.

    So a person's past is the same each time, and the model recalls what it made of it. `after an event` is
    the other case, a person's first ranking after one: each request brings an event that isn't stored.

    `codec_ms`, `state_ms` and `model_ms` are medians of the same steps in this process, and `framework_ms`
    is the rest: HTTP, the system's sockets, and this client. `alive` is a request that asks for no work.
    """
    with subject(data, model, sequence_epochs, seed) as it, running(it.model, it.state) as server:
        rng = np.random.default_rng(seed)
        remember(it, server)
        reranker, figures = Reranker.load(it.model), Figures()
        for size, new in [(size, False) for size in SIZES] + [(size, True) for size in AFTER]:
            bodies = it.rankings(requests + requests // WARM_UP, size, rng, new_event=new)
            name = f"{size} after an event" if new else str(size)
            figures[name] = _measured(it, reranker, server, bodies, requests)
        connection = Connection(server.port)
        alive = exchanged(connection, [request("/healthz")] * (requests + requests // WARM_UP), requests)
        show(figures | {"alive": alive}, as_json)


def remember(it: Subject, server: Running) -> None:
    """Send everybody's events to the server."""
    connection = Connection(server.port)
    for batch in it.events():
        connection.ask("/v1/events", batch)
    connection.close()


def exchanged(connection: Connection, sent: list[bytes], last: int) -> dict[str, float]:
    """Time requests one after the other, and sum up the last of them.

    What is refused with 429, because the machine let it wait too long, is sent again while its time goes on.
    """
    taken, clock = [], time.perf_counter
    for one in sent:
        start = clock()
        connection.insist(one)
        taken.append(1e3 * (clock() - start))
    return percentiles(np.array(taken[-last:]))


def _measured(
    it: Subject, reranker: Reranker, server: Running, bodies: list[bytes], last: int
) -> dict[str, float]:
    connection = Connection(server.port)
    whole = exchanged(connection, [request("/v1/rank", body) for body in bodies], last)
    connection.close()
    with threadpool_limits(limits=1):
        parts = asyncio.run(_parts(it, reranker, bodies))[-last:]
    shares = dict(zip(PARTS, np.median(parts, axis=0).tolist(), strict=True))
    return {**whole, **shares, "framework_ms": whole["p50_ms"] - sum(shares.values())}


async def _parts(it: Subject, reranker: Reranker, bodies: list[bytes]) -> Doubles:
    """Do what the server does with each body; gives milliseconds, shape (bodies, PARTS)."""
    from tailrank.api import Ranking, RankRequest
    from tailrank.server.placing import Asked, place

    state = open_state(str(it.state))
    decode, encode = msgspec.json.Decoder(RankRequest).decode, msgspec.json.Encoder().encode
    taken, clock = [], time.perf_counter
    for body in bodies:
        start = clock()
        asked = decode(body)
        candidates = Asked.of(asked.candidates)
        decoded = clock()
        past = (await state.read(asked.user or "")).history
        read = clock()
        items = place(reranker, candidates, asked, past)
        placed = clock()
        encode(Ranking("0" * 24, it.model.name, 0.0, False, items))
        encoded = clock()
        taken.append((decoded - start + encoded - placed, read - decoded, placed - read))
    await state.close()
    return 1e3 * np.array(taken)

"""What is measured over HTTP: the same client, the same bytes, a server of each build."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from select import select
from typing import Final

import msgspec
import numpy as np

from bench.sidebyside.ground import Ground
from bench.sidebyside.process import EVENTS, FEW, FEW_CANDIDATES
from bench.sidebyside.side import Side
from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import OK, SHED, Connection, request
from tailrank.benchmarks.launcher import measured_server
from tailrank.benchmarks.subject import Subject
from tailrank.benchmarks.throughput import check_wrk, wrk
from tailrank.benchmarks.timing import WARM_UP, time_requests
from tailrank.errors import RequestError

SIZES: Final = (100, 300)
MANY: Final = 2_000
DISTINCT: Final = 2_000
PUTS_PER_S: Final = 28
NEW_ITEMS: Final = count()
"""Numbers of items that are put: none is put twice."""


@contextmanager
def serving(side: Side, model: Path) -> Iterator[tuple[int, Path]]:
    """Run a server on a core of its own; gives its port, and a folder that is removed in the end."""
    with (
        tempfile.TemporaryDirectory() as folder,
        side.serving(),
        measured_server(model, Path(folder, "state")) as server,
    ):
        yield server.port, Path(folder)


@contextmanager
def knowing(ground: Ground, side: Side) -> Iterator[tuple[int, Subject]]:
    """Run a server that knows all users."""
    it = ground.subject(ground.folder, side)
    with serving(side, it.model) as (port, folder):
        it.store_events(port)
        yield port, replace(it, state=folder / "state")


def http(ground: Ground, side: Side, nth: int) -> dict[str, float]:
    """Time rankings of each size, and those after an event, by one client that waits."""
    rng, n, found = np.random.default_rng(nth), ground.sizes.requests, dict[str, float]()
    with knowing(ground, side) as (port, it):
        for size in SIZES:
            for name, new in ((f"{size}", False), (f"{size}_after_event", True)):
                bodies = it.rankings(n + n // WARM_UP, size, rng, new_event=new)
                timed = time_requests(port, [request("/v1/rank", body) for body in bodies], n)
                found |= {f"{name}_{key}": value for key, value in timed.items()}
    return found


def budget(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Time rankings of 2,000 candidates, whose history comes with them."""
    asked = msgspec.json.decode(ground.made_up_requests(FEW, EVENTS, MANY).read_bytes())
    pairs = zip(cycle(asked["histories"]), cycle(asked["lists"]), range(ground.sizes.requests), strict=False)
    sent = [_ranking(history, candidates) for history, candidates, _ in pairs]
    with serving(side, ground.made_up_model(FEW, sequence_epochs=1)) as (port, _folder):
        return time_requests(port, sent[: len(sent) // WARM_UP] + sent, len(sent))


def throughput(ground: Ground, side: Side, nth: int) -> dict[str, float]:
    """Load a server by 16 connections that each wait, with its default settings."""
    check_wrk()
    rng, found = np.random.default_rng(nth), dict[str, float]()
    with knowing(ground, side) as (port, it):
        for name, new in (("calm", False), ("after_event", True)):
            file = it.state.with_name("bodies")
            file.write_bytes(b"\n".join(it.rankings(DISTINCT, SIZES[0], rng, new_event=new)))
            wrk(port, file, 1)
            loaded = wrk(port, file, ground.sizes.seconds)
            if loaded["failed"]:
                raise RequestError(f"{side.name}: {loaded['failed']} requests had no answer")
            found |= {f"{name}_{key}": float(value) for key, value in loaded.items()}
    return found


def puts(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Put items one by one: how long each keeps the event loop, and what that does to rankings."""
    n, seconds = ground.sizes.items, ground.sizes.seconds
    asked = msgspec.json.decode(ground.made_up_requests(n, EVENTS, FEW_CANDIDATES).read_bytes())
    pairs = zip(cycle(asked["histories"]), asked["lists"], strict=False)
    rankings, pings = [_ranking(*pair) for pair in pairs], [request("/healthz")]
    with serving(side, ground.made_up_model(n)) as (port, _folder):
        pinged = beside_puts(port, pings, 0, seconds / 4)[0]
        beside_puts(port, rankings, 0, seconds / 4)
        calm = beside_puts(port, rankings, 0, seconds)[0]
        longest = beside_puts(port, pings, PUTS_PER_S, seconds)[1]
        busy = beside_puts(port, rankings, PUTS_PER_S, seconds)[0]
    return {
        "loop_ms": float(np.median(longest) - np.median(pinged)),
        "calm_p50_ms": float(np.median(calm)),
        "busy_p50_ms": float(np.median(busy)),
        "busy_p99_ms": float(np.percentile(busy, 99)),
    }


def beside_puts(port: int, asked: list[bytes], rate: float, seconds: float) -> tuple[Doubles, Doubles]:
    """Send requests one after the other, and meanwhile so many puts a second on another connection.

    A put waits until the one before is answered.

    Returns
    -------
    tuple[Doubles, Doubles]
        Milliseconds of each request, and of the longest that was under way with each put.
    """
    asking, putting, clock = Connection(port), Connection(port), time.perf_counter
    durations: list[float] = []
    longest: list[float] = []
    under_way, begun = False, clock()
    for one in cycle(asked):
        now = clock() - begun
        if now > seconds and not under_way:
            break
        if not under_way and len(longest) < rate * min(now, seconds):
            putting.socket.sendall(_put(next(NEW_ITEMS)))
            longest.append(0.0)
            under_way = True
        start = clock()
        asking.insist(one)
        durations.append(1e3 * (clock() - start))
        if under_way:
            longest[-1] = max(longest[-1], durations[-1])
            under_way = not _answered(putting)
    asking.close()
    putting.close()
    return np.array(durations), np.array(longest)


def _answered(putting: Connection) -> bool:
    """Look whether a put is answered, without waiting."""
    if not select([putting.socket], [], [], 0)[0]:
        return False
    answer = putting.receive()
    if answer is not None and answer[0] not in {OK, SHED}:
        raise RequestError(f"a put was answered with {answer[0]} {answer[1][:200].decode(errors='replace')}")
    return answer is not None


def _ranking(history: list[str], candidates: list[str]) -> bytes:
    return request("/v1/rank", msgspec.json.encode({"history": history, "candidates": candidates}))


def _put(nth: int) -> bytes:
    return request("/v1/items", msgspec.json.encode({"item_id": f"new-{nth}", "title": f"new thing {nth}"}))

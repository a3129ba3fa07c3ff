"""Time `Reranker.rank` in process on one core: real histories of 50 events, random candidates.

A user's history is the same each time, so the model recalls what it made of it. `after an event` is the other
case, a user's first ranking after one more. `gemm_ms` is the bare matrix product of the same size, events by
candidates: the floor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from tailrank.arrays import Doubles
from tailrank.benchmarks.subject import EVENTS, draw_candidates, long_histories
from tailrank.benchmarks.timing import Measurements, percentiles
from tailrank.data.dataset import Dataset
from tailrank.ranking.reranker import Reranker
from tailrank.signals.semantic import SemanticAttention

SIZES: Final = (200, 1_000)
WARM_UP: Final = 200
CALLS: Final = 2_000


def measure(dataset: Dataset, reranker: Reranker, seed: int) -> Measurements:
    """Time rankings of each number of candidates."""
    _, found = long_histories(dataset)
    histories = [[dataset.item_ids[code] for code in row] for row in found.items.reshape(-1, EVENTS).tolist()]
    rng, calls, timed = np.random.default_rng(seed), WARM_UP + CALLS, {}
    with threadpool_limits(limits=1):
        for size in SIZES:
            lists = draw_candidates(dataset, 64, size, rng)
            floor = {"gemm_ms": _product(reranker, size, rng)}
            timed[str(size)] = _timed(reranker, histories, lists) | floor
            later = [
                [*histories[at % len(histories)][1:], *new]
                for at, new in enumerate(draw_candidates(dataset, calls, 1, rng))
            ]
            timed[f"{size} after an event"] = _timed(reranker, later, lists) | floor
    return timed


def _timed(reranker: Reranker, histories: list[list[str]], lists: list[list[str]]) -> dict[str, float]:
    """Time rankings for one history after the other."""
    calls = iter(range(WARM_UP + CALLS))

    def rank() -> None:
        at = next(calls)
        reranker.rank(histories[at % len(histories)], lists[at % len(lists)])

    return percentiles(_milliseconds(rank, WARM_UP + CALLS)[WARM_UP:])


def _product(reranker: Reranker, size: int, rng: np.random.Generator) -> float:
    """Time the bare product of so many candidates; the median in milliseconds."""
    width = next(s.vectors.width for s in reranker.signals if isinstance(s, SemanticAttention))
    events, items = (rng.random((n, width), dtype=np.float32) for n in (EVENTS, size))
    return float(np.median(_milliseconds(lambda: events @ items.T, CALLS)))


def _milliseconds(call: Callable[[], object], times: int) -> Doubles:
    clock, durations = time.perf_counter, []
    for _ in range(times):
        start = clock()
        call()
        durations.append(1000 * (clock() - start))
    return np.array(durations)

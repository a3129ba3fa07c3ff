"""Time `Reranker.rank` in process on one core: real histories of 50 events, random candidates.

`gemm_ms` is the bare matrix product of the same size, events by candidates: the floor.
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
    rng = np.random.default_rng(seed)
    with threadpool_limits(limits=1):
        return {str(size): _timed(reranker, dataset, histories, size, rng) for size in SIZES}


def _timed(
    reranker: Reranker, dataset: Dataset, histories: list[list[str]], size: int, rng: np.random.Generator
) -> dict[str, float]:
    lists = draw_candidates(dataset, 64, size, rng)
    calls = iter(range(WARM_UP + CALLS))

    def rank() -> None:
        at = next(calls)
        reranker.rank(histories[at % len(histories)], lists[at % len(lists)])

    ranked = _milliseconds(rank, WARM_UP + CALLS)[WARM_UP:]
    width = next(s.vectors.width for s in reranker.signals if isinstance(s, SemanticAttention))
    events, items = (rng.random((n, width), dtype=np.float32) for n in (EVENTS, size))
    bare = _milliseconds(lambda: events @ items.T, CALLS)
    return {**percentiles(ranked), "gemm_ms": float(np.median(bare))}


def _milliseconds(call: Callable[[], object], times: int) -> Doubles:
    clock, durations = time.perf_counter, []
    for _ in range(times):
        start = clock()
        call()
        durations.append(1000 * (clock() - start))
    return np.array(durations)

"""Rankings in process: how long they take, and what they need."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.probes import answer
from tailrank.benchmarks.launcher import resident
from tailrank.ranking.reranker import Reranker

WARM_UP = 5
"""One call to warm up for so many that count."""


def measure(model: str, requests: str, calls: int) -> dict[str, Any]:
    """Rank the candidates of a file for its histories, in turns.

    Then each history gets one more event before each ranking, as users do. `gemm_ms` is the bare product of
    events and candidates; `memory_kb` what a ranking holds at its peak, and `model_mb` the process before.
    """
    ranker, asked = Reranker.load(Path(model)), json.loads(Path(requests).read_text())
    histories, lists = asked["histories"], asked["lists"]
    model_mb = sum(resident("self").values())
    at = iter(range(10**9))

    def rank() -> None:
        n = next(at)
        ranker.rank(histories[n % len(histories)], lists[n % len(lists)])

    def with_event() -> tuple[list[str], list[str]]:
        n = next(at)
        candidates, user = lists[n % len(lists)], n % len(histories)
        histories[user] = [*histories[user][1:], candidates[n % len(candidates)]]
        return histories[user], candidates

    calm = timed(rank, calls)
    after = timed(ranker.rank, calls, with_event) if histories[0] else calm
    width = ranker.settings.dimensions
    events, items = (np.ones((n, width), np.float32) for n in (len(histories[0]), len(lists[0])))
    bare = timed(lambda: events @ items.T, calls)
    tracemalloc.start()
    rank()
    _, peak = tracemalloc.get_traced_memory()
    p50, p99 = np.percentile(calm, [50, 99]).tolist()
    return {
        **{"p50_ms": p50, "p99_ms": p99, "after_event_p50_ms": float(np.median(after))},
        **{"gemm_ms": float(np.median(bare)), "memory_kb": peak / 1024, "model_mb": model_mb},
    }


def timed(
    call: Callable[..., object], times: int, prepare: Callable[[], tuple[Any, ...]] = tuple
) -> list[float]:
    """Give milliseconds of each call but those to warm up; what it is called with is prepared before."""
    clock, durations = time.perf_counter, []
    for _ in range(times + times // WARM_UP):
        given = prepare()
        start = clock()
        call(*given)
        durations.append(1000 * (clock() - start))
    return durations[-times:]


if __name__ == "__main__":
    answer(measure)

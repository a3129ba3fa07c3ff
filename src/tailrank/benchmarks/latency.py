"""`tailrank bench latency`: ranking in process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from threadpoolctl import threadpool_limits

from tailrank.benchmarks.figures import AsJson, Figures, percentiles, show
from tailrank.benchmarks.subject import EVENTS, recent, trained
from tailrank.cli.options import Data, Seed, load
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.signals.semantic import SemanticAttention

SIZES: Final = (200, 1_000)
WARM_UP: Final = 200
CALLS: Final = 2_000


def latency(
    data: Data = "movielens-100k",
    model: Annotated[
        Path | None, typer.Option(help="Model folder of the same data; by default one is trained.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time `Reranker.rank` in process on one core: real histories of 50 events, random candidates.

    `gemm_ms` is the bare matrix product of the same size, events by candidates: the floor.
    """
    dataset = load(data)
    reranker = trained(dataset, seed)[0] if model is None else Reranker.load(model)
    _, found = recent(dataset)
    histories = [[dataset.item_ids[code] for code in row] for row in found.items.reshape(-1, EVENTS).tolist()]
    rng = np.random.default_rng(seed)
    figures: Figures = {}
    with threadpool_limits(limits=1):
        for size in SIZES:
            figures[str(size)] = _timed(reranker, dataset, histories, size, rng)
    show(figures, as_json)


def _timed(
    reranker: Reranker, dataset: Dataset, histories: list[list[str]], size: int, rng: np.random.Generator
) -> dict[str, float]:
    if size > dataset.n_items:
        raise RequestError(f"{dataset.name} has fewer than {size} items")
    lists = [rng.choice(dataset.item_ids, size, replace=False).tolist() for _ in range(64)]
    calls = iter(range(WARM_UP + CALLS))

    def rank() -> None:
        at = next(calls)
        reranker.rank(histories[at % len(histories)], lists[at % len(lists)])

    taken = _milliseconds(rank, WARM_UP + CALLS)[WARM_UP:]
    width = next(s.vectors.width for s in reranker.signals if isinstance(s, SemanticAttention))
    events, items = (rng.random((n, width), dtype=np.float32) for n in (EVENTS, size))
    bare = _milliseconds(lambda: events @ items.T, CALLS)
    return {**percentiles(np.array(taken)), "gemm_ms": float(np.median(bare))}


def _milliseconds(call: Callable[[], object], times: int) -> list[float]:
    clock = time.perf_counter
    taken = []
    for _ in range(times):
        start = clock()
        call()
        taken.append(1000 * (clock() - start))
    return taken

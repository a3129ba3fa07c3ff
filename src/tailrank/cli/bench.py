"""`tailrank bench`: figures that anyone can measure again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from tailrank.cli.options import Data, Seed, item_vectors, load, machine
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.ranking.fitting import Settings
from tailrank.ranking.reranker import Reranker
from tailrank.signals.semantic import SemanticAttention

SIZES: Final = (200, 1_000)
EVENTS: Final = 50
WARM_UP: Final = 200
CALLS: Final = 2_000

bench = typer.Typer(help="Measure speed.", no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure speed; with --json, the last line is one JSON object."""


@bench.command()
def latency(
    data: Data = "movielens-100k",
    model: Annotated[
        Path | None, typer.Option(help="Model folder of the same data; by default one is trained.")
    ] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time `Reranker.rank` in process on one core: real histories of 50 events, random candidates.

    `gemm_ms` is the bare matrix product of the same size, events by candidates: the floor.
    """
    dataset = load(data)
    if model is None:
        vectors, _ = item_vectors(dataset, "default", None)
        reranker = Reranker.fit(dataset, vectors, Settings(seed=seed))
    else:
        reranker = Reranker.load(model)
    histories = _histories(dataset)
    rng = np.random.default_rng(seed)
    figures: dict[str, object] = {}
    with threadpool_limits(limits=1):
        for size in SIZES:
            figures[str(size)] = _timed(reranker, dataset, histories, size, rng)
    if as_json:
        typer.echo(json.dumps(figures | machine()))
    else:
        Console().print(_table(figures))


def _histories(dataset: Dataset) -> list[list[str]]:
    """List the latest 50 item ids of everybody who has as many."""
    h = dataset.histories
    long = np.flatnonzero(h.lengths >= EVENTS)
    if not len(long):
        raise RequestError(f"{dataset.name}: nobody has {EVENTS} events")
    recent = h.cut(h.offsets[long + 1] - EVENTS, h.offsets[long + 1]).items.reshape(-1, EVENTS)
    return [[dataset.item_ids[code] for code in row] for row in recent.tolist()]


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
    return {
        "p50_ms": float(np.percentile(taken, 50)),
        "p99_ms": float(np.percentile(taken, 99)),
        "gemm_ms": float(np.median(bare)),
    }


def _milliseconds(call: Callable[[], object], times: int) -> list[float]:
    clock = time.perf_counter
    taken = []
    for _ in range(times):
        start = clock()
        call()
        taken.append(1000 * (clock() - start))
    return taken


def _table(figures: dict[str, object]) -> Table:
    table = Table("candidates", "p50 ms", "p99 ms", "bare product ms", box=SIMPLE_HEAD)
    for size, row in figures.items():
        if isinstance(row, dict):
            table.add_row(size, *(f"{value:.3f}" for value in row.values()))
    return table

"""Typical sizes: what training and ranking cost from 1,000 items to a million, each in its own process."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
import typer

from bench.study import RESULTS, Json, alone, peak_mb, store, timed
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
EVENTS: Final = 10
"""Of a user; as many users as items."""

TOPIC: Final = 100
"""Items of a topic; half of a user's events stay in one."""

WORDS: Final = 20_000
DIMENSIONS: Final = 384
LIST: Final = 1_000
CALLS: Final = 100
FILE: Final = "sizes.json"


def tables(n_items: int, events: int = EVENTS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw items with titles of six words, and events of as many users, in which few items are popular."""
    rng = np.random.default_rng(0)
    words = np.char.add("w", np.minimum(rng.zipf(1.2, (n_items, 6)), WORDS).astype(str))
    ids = np.arange(n_items).astype(str)
    items = pl.DataFrame({Columns.ITEM: ids, "title": [" ".join(row) for row in words.tolist()]})
    users = np.repeat(np.arange(n_items), events)
    anywhere = (n_items * rng.random(len(users)) ** 3).astype(np.int64)
    topics = TOPIC * rng.integers(0, n_items // TOPIC, n_items)[users] + rng.integers(0, TOPIC, len(users))
    taken = np.where(rng.random(len(users)) < 0.5, topics, anywhere)
    times = rng.integers(1_600_000_000, 1_700_000_000, len(users))
    columns = {Columns.USER: users.astype(str), Columns.ITEM: ids[taken], Columns.TIMESTAMP: times}
    return items, pl.DataFrame(columns)


def measured(n_items: int) -> Json:
    """Train, save, load and rank; vectors are drawn, as encoding texts is paid once and by itself."""
    data, folder = Dataset.construct(*tables(n_items), name=f"{n_items:,} items"), Path(tempfile.mkdtemp())
    drawn = np.random.default_rng(0).standard_normal((n_items, DIMENSIONS), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    _, seconds = timed(lambda: Reranker.fit(data, ItemVectors(drawn)).save(folder / "model"))
    training_mb = peak_mb()
    reranker, load_seconds = timed(lambda: Reranker.load(folder / "model"))
    size = sum(path.stat().st_size for path in (folder / "model").iterdir()) / 2**20
    candidates = data.item_ids[:LIST]
    histories = [[event.item_id for event in data.history(str(user))] for user in range(CALLS + 1)]
    reranker.rank(histories.pop(), candidates, k=10)  # what is computed once is no part of a ranking
    _, ranking = timed(lambda: [reranker.rank(history, candidates, k=10) for history in histories])
    return {
        **{"items": n_items, "events": len(data.histories.items), "train_seconds": seconds},
        **{"train_mb": training_mb, "model_mb": size, "load_seconds": load_seconds},
        "rank_ms": 1000 * ranking / CALLS,
    }


def main(items: Annotated[list[int] | None, typer.Option(help="Sizes; by default all.")] = None) -> None:
    """Measure sizes, and keep them beside those that were measured before."""
    kept = json.loads((RESULTS / FILE).read_text("utf-8"))["points"] if (RESULTS / FILE).exists() else []
    points = {point["items"]: point for point in kept}
    for size in items or SIZES:
        points[size] = alone(measured, size)
        store(FILE, {"points": [points[each] for each in sorted(points)]})

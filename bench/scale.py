"""Cost as data grow: a tenth, three tenths and all of the users, each in a process of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from bench.study import Data, Json, alone, path_of, peak_mb, store, timed, whitened
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.public import PUBLIC, fetch
from tailrank.data.readers import read_events, read_items
from tailrank.data.splits import Split, temporal
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import fit_before, fuse
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.training import train

NAME: Final = "complete-journey"
FACTORS: Final = (1, 3, 10)
PER_USER: Final = 30
LIST: Final = 1_000
CALLS: Final = 100
"""Users for whom a ranking is timed; the mean is given."""

DIMENSIONS: Final = 384
SETTINGS: Final = Settings()
SOFTMAX: Final = SASRecConfig(epochs=1, loss="sampled-softmax")
"""The loss of large catalogues at every size, so that sizes compare."""


def sampled(source: Path, factor: int, target: Path) -> None:
    """Write the data folder of `factor` tenths of the users, and of their items."""
    events, items = read_events(source), read_items(source)
    users = events[Columns.USER].unique(maintain_order=True).shuffle(SETTINGS.seed)
    some = users.head(len(users) * factor // max(FACTORS))
    kept = events.filter(events[Columns.USER].is_in(some.implode()))
    kept.write_parquet(target / "events.parquet")
    items.join(kept, on=Columns.ITEM, how="semi").write_parquet(target / "items.parquet")


def measured(folder: Path, factor: int) -> Json:
    """Time each step on a data folder, and note the memory that this process had at its peak."""
    data, rng = Dataset.load(folder), np.random.default_rng(SETTINGS.seed)
    split = temporal(data, PER_USER)
    drawn = rng.normal(size=(data.n_items, DIMENSIONS)).astype(np.float32)
    vectors = ItemVectors(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    signals, signals_seconds = timed(lambda: fit_before(split, vectors, SETTINGS))
    fitted, fusion_seconds = timed(lambda: fuse(signals, SETTINGS))
    [epoch] = train(split.train, None, split.repeats, whitened(vectors), SOFTMAX).seconds
    reranker, catalogue = Reranker.from_fitted(fitted), data.item_ids
    some = np.random.default_rng(SETTINGS.seed).choice(data.n_items, LIST, replace=False)
    return {
        **{"factor": factor, "events": len(data.histories.items), "items": data.n_items},
        "steps": {
            "signals before validation": signals_seconds,
            "fusion, and signals on all events": fusion_seconds,
            "one epoch of the sequence model": epoch,
        },
        "rank_ms_per_user": _ranking(reranker, split, catalogue),
        "rank_1000_ms_per_user": _ranking(reranker, split, [catalogue[code] for code in some]),
        "peak_mb": peak_mb(),
    }


def _ranking(reranker: Reranker, split: Split, candidates: list[str]) -> float:
    """Rank candidates for a sample of the test queries; give milliseconds a user."""
    queries = split.test.sample(CALLS, SETTINGS.seed)
    slices = map(slice, queries.starts.tolist(), queries.ends.tolist())
    first, *others = [split.full_train.events(queries.source, at) for at in slices]
    reranker.rank(first, candidates, k=10)  # what is computed once is no part of a ranking
    _, seconds = timed(lambda: [reranker.rank(history, candidates, k=10) for history in others])
    return 1000 * seconds / len(others)


def main(data: Data) -> None:
    """Measure every size, and store the costs."""
    path = path_of(NAME, data)
    source, points = fetch(path) if path in PUBLIC else Path(path), []
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as folder:
            alone(sampled, source, factor, Path(folder))
            points.append(alone(measured, Path(folder), factor))
    store("scale.json", {"seed": SETTINGS.seed, "dataset": NAME, "points": points})

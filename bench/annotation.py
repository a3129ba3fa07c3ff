"""Hide most items' texts, have some described, and measure what that is worth; start again to resume."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from bench import study
from tailrank.arrays import Bools, Doubles, Offsets
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import fit_before, fuse
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.tuning.annotation import items_to_annotate

DESCRIBED: Final = 0.1
"""Share of items, drawn at random, whose texts are there from the start."""

WINDOW: Final = 3
"""Events between two co-visited items, at most."""

BUDGET: Final = 0.1
"""Share of items that are described then."""


def _spread(train: Dataset, missing: Bools, budget: int, seed: int) -> list[int]:
    """Choose by facility location (Wei, Iyer and Bilmes, ICML 2015, equation 4), lazily (Minoux, 1978).

    An item stands for itself and, by cosine, for what it is co-visited with; each item counts by its
    number of events, as far as no described or chosen item stands for it yet.
    """
    near = _similar(train)
    demand = train.counts + 1.0  # an item without events counts too
    stood = near[~missing].max(axis=0).toarray().ravel() if not missing.all() else np.zeros(len(missing))

    def gain(item: int) -> float:
        others, similar = _row(near, item)
        return float(demand[others] @ np.maximum(similar - stood[others], 0.0))

    waiting = [(-gain(item), item) for item in np.flatnonzero(missing).tolist()]
    heapq.heapify(waiting)
    picked: list[int] = []
    while waiting and len(picked) < budget:
        _, item = heapq.heappop(waiting)
        now = gain(item)  # it can only have fallen since it was last computed
        if waiting and now < -waiting[0][0]:
            heapq.heappush(waiting, (-now, item))
            continue
        picked.append(item)
        others, similar = _row(near, item)
        stood[others] = np.maximum(stood[others], similar)
    return picked


def _similar(dataset: Dataset) -> sp.csr_array:
    """Give the cosine of items within `WINDOW` events of each other, 1 of each with itself."""
    h, n = dataset.histories, dataset.n_items
    pairs = sp.csr_array((n, n))
    for step in range(1, min(WINDOW, len(h.items) - 1) + 1):
        before = np.flatnonzero(h.owners[:-step] == h.owners[step:])
        ones = np.ones(len(before))
        pairs = pairs + sp.csr_array((ones, (h.items[before], h.items[before + step])), shape=(n, n))
    both = sp.coo_array(pairs + pairs.T)
    both.data = np.minimum(both.data / np.sqrt(dataset.counts[both.row] * dataset.counts[both.col]), 1.0)
    near = sp.csr_array(both)
    near.setdiag(1.0)
    return near


def _row(matrix: sp.csr_array, at: int) -> tuple[Offsets, Doubles]:
    row = slice(matrix.indptr[at], matrix.indptr[at + 1])
    return matrix.indices[row].astype(np.int64), matrix.data[row].astype(np.float64)


def _random(train: Dataset, missing: Bools, budget: int, seed: int) -> Offsets:
    return np.random.default_rng([seed, 1]).permutation(np.flatnonzero(missing))[:budget]


def _popular(train: Dataset, missing: Bools, budget: int, seed: int) -> Offsets:
    return np.argsort(-np.where(missing, train.counts, -1), kind="stable")[:budget]


CHOICES: Final[dict[str, Callable[[Dataset, Bools, int, int], npt.ArrayLike]]] = {
    "none": lambda train, missing, budget, seed: [],
    "at random": _random,
    "by popularity": _popular,
    "spread out": _spread,
    "by use": lambda train, missing, budget, seed: items_to_annotate(train, missing, budget)[0],
    "all": lambda train, missing, budget, seed: np.flatnonzero(missing),
}
"""Which of the items without a text are described, as codes."""

AGAINST: Final = ("at random", "by popularity")


def values(dataset: Dataset, vectors: ItemVectors, choice: str, seed: int) -> study.Values:
    """Give ndcg@10 of each test query, by the semantic signal alone and by all signals."""
    missing = np.random.default_rng(seed).random(dataset.n_items) >= DESCRIBED
    budget = round(BUDGET * dataset.n_items)
    chosen = CHOICES[choice](leave_one_out(dataset).train, missing, budget, seed)
    known = ~missing
    known[np.asarray(chosen, np.int64)] = True
    texts = [name for name in Columns.TEXT if name in dataset.items.columns]
    items = dataset.items.with_columns(pl.when(pl.lit(pl.Series(known))).then(pl.col(texts)))
    split, settings = leave_one_out(replace(dataset, items=items)), Settings(seed=seed)
    signals = fit_before(split, replace(vectors, values=vectors.values * known[:, None]), settings)
    semantic = next(signal for signal in signals.before if signal.name == "semantic")
    return {
        f"{choice}/alone": study.ndcg(semantic, split),
        f"{choice}/whole": study.ndcg(Reranker.from_fitted(fuse(signals, settings)), split),
    }


def main(data: study.Data, name: study.Name, seeds: study.Seeds = "0,1,2") -> None:
    """Store the study of one data set."""
    dataset, vectors, about = study.encoded(name, data)
    split, all_seeds = leave_one_out(dataset), study.numbers(seeds)
    found = study.collect(
        "annotation",
        dataset,
        all_seeds,
        lambda seed: {choice: partial(values, dataset, vectors, choice, seed) for choice in CHOICES},
    )
    rows = [
        {
            "choice": choice,
            "ranker": ranker,
            "metrics": study.means(found[f"{choice}/{ranker}"], split),
            "difference": {
                other: study.differences(found[f"{choice}/{ranker}"], found[f"{other}/{ranker}"], split)
                for other in AGAINST
                if other != choice
            },
        }
        for choice in CHOICES
        for ranker in ("alone", "whole")
    ]
    about |= {"protocol": split.protocol, "seeds": all_seeds, "described": DESCRIBED, "budget": BUDGET}
    study.store(f"{name}/annotation.json", {**about, "items": dataset.n_items, "rows": rows})

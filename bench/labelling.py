"""Hide most items' texts, have some described, and measure what that is worth; start again to resume."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import scipy.sparse as sp

from bench.compared import alone, differences, figures, remembered
from bench.run import RESULTS, keep, path_of
from tailrank.arrays import Bools, Doubles, Floats, Offsets
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.data.cache import cache_root
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out
from tailrank.machine import machine
from tailrank.ranking.fitting import Settings, fit_signals
from tailrank.ranking.reranker import Reranker
from tailrank.tuning.annotation import items_to_annotate

DESCRIBED: Final = 0.1
"""Share of items, drawn at random, whose texts are there from the start."""

WINDOW: Final = 3
"""Events between two co-visited items, at most."""

BUDGET: Final = 0.1
"""Share of items that are described then."""


def _random(split: Split, poor: Bools, budget: int, seed: int) -> Bools:
    order = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(poor))
    return np.isin(np.arange(len(poor)), order[:budget])


def _popular(split: Split, poor: Bools, budget: int, seed: int) -> Bools:
    order = np.argsort(-np.where(poor, split.train.counts, -1), kind="stable")
    return np.isin(np.arange(len(poor)), order[:budget])


def _picked(split: Split, poor: Bools, budget: int, seed: int) -> Bools:
    return np.isin(np.arange(len(poor)), items_to_annotate(split.train, poor, budget).items)


def _spread(split: Split, poor: Bools, budget: int, seed: int) -> Bools:
    """Choose by facility location (Wei, Iyer and Bilmes, ICML 2015, equation 4), lazily (Minoux, 1978).

    An item stands for itself and, by cosine, for what it is co-visited with; each item counts by how often
    it was taken, as far as no described or chosen item stands for it yet.
    """
    near = _similar(split.train)
    demand = split.train.counts + 1.0  # an item that nobody took yet may be
    stood = near[~poor].max(axis=0).toarray().ravel() if not poor.all() else np.zeros(len(poor))

    def gain(item: int) -> float:
        others, similar = _row(near, item)
        return float(demand[others] @ np.maximum(similar - stood[others], 0.0))

    waiting = [(-gain(item), item) for item in np.flatnonzero(poor).tolist()]
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
    return np.isin(np.arange(len(poor)), picked)


def _similar(dataset: Dataset) -> sp.csr_array:
    """Give the cosine of items that were taken within `WINDOW` events, 1 of each with itself."""
    h, n = dataset.histories, dataset.n_items
    pairs = sp.csr_array((n, n))
    for step in range(1, min(WINDOW, len(h.items) - 1) + 1):
        before = np.flatnonzero(h.owners[:-step] == h.owners[step:])
        ones = np.ones(len(before))
        pairs = pairs + sp.csr_array((ones, (h.items[before], h.items[before + step])), shape=(n, n))
    both = sp.coo_array(pairs + pairs.T)
    apart = both.row != both.col
    row, column = both.row[apart], both.col[apart]
    found = np.minimum(both.data[apart] / np.sqrt(dataset.counts[row] * dataset.counts[column]), 1.0)
    return sp.csr_array(sp.csr_array((found, (row, column)), shape=(n, n)) + sp.eye_array(n))


def _row(matrix: sp.csr_array, at: int) -> tuple[Offsets, Doubles]:
    where = slice(matrix.indptr[at], matrix.indptr[at + 1])
    return matrix.indices[where], matrix.data[where]


CHOICES: Final[dict[str, Callable[[Split, Bools, int, int], Bools]]] = {
    "none": lambda split, poor, budget, seed: np.zeros(len(poor), bool),
    "at random": _random,
    "by popularity": _popular,
    "spread out": _spread,
    "by use": _picked,
    "all": lambda split, poor, budget, seed: poor,
}
"""Which of the items without a text are described."""

AGAINST: Final = ("at random", "by popularity")


def values(dataset: Dataset, vectors: Floats, choice: str, seed: int) -> dict[str, Doubles]:
    """Give ndcg@10 of each test query, by the semantic signal alone and by all signals."""
    split = leave_one_out(dataset)
    poor = np.random.default_rng(seed).random(dataset.n_items) >= DESCRIBED
    known = ~poor | CHOICES[choice](split, poor, round(BUDGET * dataset.n_items), seed)
    texts = [name for name in Columns.TEXT if name in dataset.items.columns]
    items = dataset.items.with_columns(pl.when(pl.lit(pl.Series(known))).then(pl.col(texts)))
    split, settings = leave_one_out(replace(dataset, items=items)), Settings(seed=seed)
    signals = fit_signals(split, vectors * known[:, None], settings)
    semantic = next(signal for signal in signals.after if signal.name == "semantic")
    return {"alone": alone(semantic, split), "whole": alone(Reranker.of(split, signals, settings), split)}


def main() -> None:
    """Store the study of one data set."""
    parser = argparse.ArgumentParser(prog="python -m bench.labelling", description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", help="of the data set")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    dataset = load(path_of(given.name, given.data))
    vectors, about = item_vectors(dataset, "default", None)
    assert vectors is not None  # noqa: S101 - there is an encoder
    work, split = cache_root() / "labelling" / dataset.fingerprint[:12], leave_one_out(dataset)

    def measured(choice: str, seed: int) -> dict[str, Doubles]:
        file = work / f"seed-{seed}-{choice.replace(' ', '-')}.npz"
        return remembered(file, lambda: values(dataset, vectors, choice, seed))

    found = {choice: [measured(choice, seed) for seed in given.seeds] for choice in CHOICES}
    rows = []
    for choice in found:
        for ranker in ("alone", "whole"):
            of = {name: [each[ranker] for each in found[name]] for name in (choice, *AGAINST)}
            pairs = {name: differences(of[choice], of[name], split) for name in AGAINST if name != choice}
            rows.append(
                {
                    "choice": choice,
                    "ranker": ranker,
                    "figures": figures(of[choice], split),
                    "difference": pairs,
                }
            )
    said = {"dataset": given.name, "protocol": split.protocol, "seeds": given.seeds}
    said |= {"described": DESCRIBED, "budget": BUDGET, "items": dataset.n_items}
    said["command"] = f"python -m bench.labelling DATA {given.name}"
    keep(RESULTS / given.name / "labelling.json", {**said, "rows": rows, **about, **machine()})


if __name__ == "__main__":
    main()

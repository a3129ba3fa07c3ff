"""Which items to have described next, where describing all of them costs too much."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Bools, Codes, Doubles, Offsets
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError

WINDOW: Final = 3
"""Events between two co-visited items, at most."""


@dataclass(frozen=True)
class Picks:
    """Items to have described, the most useful first.

    Attributes
    ----------
    items
        Codes, shape (picked,).
    gains
        What each adds to those before it, in events and their co-visited items' events, shape (picked,).
    """

    items: Codes
    gains: Doubles


def pick(dataset: Dataset, poor: Bools, budget: int) -> Picks:
    """Pick items whose description would be used most.

    Active learning by facility location (Wei, Iyer and Bilmes, ICML 2015, equation 4): an item stands for
    itself and, by the cosine of how often both were taken near one another, for its co-visited items. Each
    item counts by how often it was taken, and as far as no described or picked item stands for it yet. So
    what is picked is in demand, badly placed, and spread out. The lazy greedy choice (Minoux, 1978) comes
    within 1 - 1/e of the best one.

    Parameters
    ----------
    dataset
        What people took.
    poor
        Items without a text worth the name, shape (items,): the candidates.
    budget
        Items to pick, at most.

    Raises
    ------
    RequestError
        Where there is no budget, or no candidate.
    """
    if budget < 1:
        raise RequestError(f"the budget must be at least 1, not {budget}")
    if not poor.any():
        raise RequestError("every item has a text already: there is nothing to have described")
    near = _similar(dataset)
    demand = dataset.counts + 1.0  # an item that nobody took yet may be
    stood = near[~poor].max(axis=0).toarray().ravel() if not poor.all() else np.zeros(dataset.n_items)

    def gain(item: int) -> float:
        others, similar = _row(near, item)
        return float(demand[others] @ np.maximum(similar - stood[others], 0.0))

    waiting = [(-gain(item), item) for item in np.flatnonzero(poor).tolist()]
    heapq.heapify(waiting)
    picked: list[tuple[int, float]] = []
    while waiting and len(picked) < budget:
        _, item = heapq.heappop(waiting)
        now = gain(item)  # it can only have fallen since it was last computed
        if waiting and now < -waiting[0][0]:
            heapq.heappush(waiting, (-now, item))
            continue
        picked.append((item, now))
        others, similar = _row(near, item)
        stood[others] = np.maximum(stood[others], similar)
    items, gains = zip(*picked, strict=True)
    return Picks(np.array(items, np.int32), np.array(gains))


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

"""What a recommender in front of the model would offer: neighbours of the history, and what is popular."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.errors import RequestError
from tailrank.signals.covisitation import ItemKNN
from tailrank.signals.popularity import Popularity

REPEATED: Final = 0.05
"""Share of targets in their own history from which on items of the history are offered."""

TIE: Final = 1e-6
"""What popularity counts among items that are no neighbours."""

FEWEST: Final = 2
"""Candidates that a list needs to have an order."""


def offered(known: Dataset, queries: Queries, eligible: Bools, size: int) -> Codes:
    """Offer candidates for each query: one half by item-kNN, the other by popularity.

    Parameters
    ----------
    known
        What the recommenders learn from.
    queries
        Of the same items. Those of the history aren't offered, unless users come back to them.
    eligible
        Items that may be offered, shape (items,).
    size
        Candidates a query; fewer if there aren't as many.

    Returns
    -------
    Codes
        Shape (queries, candidates), the best neighbour first, distinct in each row.

    Raises
    ------
    RequestError
        If there aren't two candidates for every query.
    """
    new_only = float(queries.repeated.mean()) < REPEATED
    taken = int((queries.full_ends - queries.starts).max()) if new_only else 0
    size = min(size, int(eligible.sum()) - taken)
    if size < FEWEST:
        raise RequestError(
            f"{known.name}: {eligible.sum():,} items that the model knows leave no two candidates for a user "
            f"who had {taken:,}: give a data set with more items"
        )
    everything = Candidates.everything(known.n_items)
    popular, neighbours = Popularity.from_events(known).values, ItemKNN.from_events(known)
    found = []
    for batch in queries.batches(known.n_items):
        free = np.repeat(eligible[None], len(batch), axis=0)
        if new_only:
            free[batch.full_histories.owners, batch.full_histories.items] = False
        near = neighbours.score(batch.histories, everything) + np.float32(TIE) * popular
        half = _best(np.where(free, near, -np.inf), size // 2)
        np.put_along_axis(free, half, False, axis=1)
        rest = _best(np.where(free, popular, -np.inf), size - size // 2)
        found.append(np.concatenate([half, rest], axis=1))
    return np.concatenate(found).astype(np.int32)


def _best(scores: Floats, n: int) -> Codes:
    """Find the `n` best of each row, the best first; shape (rows, n)."""
    first = np.argpartition(-scores, max(n - 1, 0), axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1).astype(np.int32)

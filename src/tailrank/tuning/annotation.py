"""Which items to describe next, if describing all of them costs too much."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.signals.recency_decay import recency_weights
from tailrank.tuning.config import FineTuningConfig


def items_to_annotate(dataset: Dataset, lacks_text: Bools, budget: int) -> tuple[Codes, Doubles]:
    """Choose the items whose description would be used most.

    A ranking reads the text of every event of a history; one with n later events counts
    (1 + n)^-recency_decay. Items are ordered by the sum of this over all histories, which is also close to
    how often an item will be a candidate, as demand lasts. Spreading the choice over co-visited items was
    measured and is worse (docs/benchmarks.md).

    Parameters
    ----------
    dataset
        Its histories say how often an item is read.
    lacks_text
        Items without a usable text, shape (items,): the candidates.
    budget
        Items to choose, at most.

    Returns
    -------
    items
        Codes, the most useful first, shape (chosen,).
    uses
        Attention that rankings pay each of them, in latest events, shape (chosen,).

    Raises
    ------
    RequestError
        If there is no budget, or no candidate.
    """
    if budget < 1:
        raise RequestError(f"the budget must be at least 1, not {budget}")
    candidates = np.flatnonzero(lacks_text).astype(np.int32)
    if not len(candidates):
        raise RequestError("every item has a text already: there is nothing to annotate")
    h = dataset.histories
    weights = recency_weights(h.ages.astype(np.float64), FineTuningConfig.recency_decay)
    uses = np.bincount(h.items, weights, dataset.n_items).astype(np.float64)
    chosen = candidates[np.argsort(-uses[candidates], kind="stable")[:budget]]
    return chosen, uses[chosen]

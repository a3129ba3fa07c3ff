"""Which items to have described next, where describing all of them costs too much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.tuning.config import FineTuningConfig


@dataclass(frozen=True)
class Picks:
    """Items to have described, the most useful first.

    Attributes
    ----------
    items
        Codes, shape (picked,).
    uses
        Attention that rankings pay each of them, in latest events, shape (picked,).
    """

    items: Codes
    uses: Doubles


def pick(dataset: Dataset, poor: Bools, budget: int) -> Picks:
    """Pick the items whose description would be used most.

    What an item means is read wherever it lies in a history, and there an event with n after it counts
    (1 + n)^-fading. The sum of this over all histories is what is picked by; it is also close to how often
    an item will be asked for, as demand lasts. Spreading the picks out over co-visited items was measured
    and is worse (docs/benchmarks.md).

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
    candidates = np.flatnonzero(poor).astype(np.int32)
    if not len(candidates):
        raise RequestError("every item has a text already: there is nothing to have described")
    h = dataset.histories
    uses = np.bincount(h.items, (1.0 + h.ages) ** -FineTuningConfig.recency_decay, dataset.n_items).astype(
        np.float64
    )
    chosen = candidates[np.argsort(-uses[candidates], kind="stable")[:budget]]
    return Picks(chosen, uses[chosen])

"""How well vectors rank what people took next, before any other signal is weighed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import full_ranks
from tailrank.metrics.popularity import COUNT_LABELS, count_buckets, tail_items
from tailrank.metrics.ranking import ndcg

JUDGED: Final = 4_000
"""Validation queries that decide when to stop, at most."""

LATEST: Final = 50


class Validator:
    """Ranks a split's validation queries by the mean of a past, its latest events first.

    Parameters
    ----------
    split
        Whose validation to ask, and whose training events tell head from tail.
    fading
        An event with n after it counts (1 + n)^-fading.
    seed
        Of the sample.
    """

    def __init__(self, split: Split, recency_decay: float, seed: int) -> None:
        self.split, self.recency_decay = split, recency_decay
        self.queries = split.validation.sample(JUDGED, seed)
        counts = split.train.counts
        buckets, targets = count_buckets(counts)[self.queries.targets], self.queries.targets
        self.masks = {"all": np.ones(len(targets), bool), "tail80": tail_items(counts)[targets]}
        self.masks |= {f"count={label}": buckets == at for at, label in enumerate(COUNT_LABELS)}

    def __call__(self, table: Floats) -> dict[str, float]:
        """Measure ndcg@10 by how well targets are known; groups without a query are left out.

        Parameters
        ----------
        table
            Unit vectors of all items, shape (items, dimensions).
        """

        def score_batch(batch: Queries) -> Floats:
            h = batch.histories.latest(LATEST)
            weights = ((1.0 + h.ages) ** -self.recency_decay).astype(np.float32)
            pasts = sp.csr_array((weights, h.items, h.offsets), shape=(len(batch), len(table)))
            scores: Floats = (pasts @ table) @ table.T
            return scores

        found = ndcg(full_ranks(score_batch, self.queries, len(table), self.split.repeats))
        return {name: float(found[mask].mean()) for name, mask in self.masks.items() if mask.any()}

    def worth(self, table: Floats) -> float:
        """Judge by `worth` of the figures."""
        return worth(self(table))


def worth(figures: Mapping[str, float]) -> float:
    """Judge by all targets and by those of the tail, half each: accuracy that costs the tail is no gain.

    Examples
    --------
    >>> worth({"all": 0.08, "tail80": 0.06})
    0.07
    """
    return (figures["all"] + figures.get("tail80", figures["all"])) / 2


def overall(look: Mapping[str, Mapping[str, float]]) -> float:
    """Judge by the mean of what the figures of each domain are worth."""
    return sum(map(worth, look.values())) / len(look)

"""How well vectors alone rank the next item, before any other signal joins in."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Final

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import full_ranks
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.ranking import ndcg
from tailrank.signals.recency_decay import recency_weights
from tailrank.signals.semantic import SemanticAttention

QUERIES: Final = 4_000
"""Validation queries that decide when to stop, at most."""


class Validator:
    """Ranks a split's validation queries by the recency-weighted mean of a history's vectors.

    That orders items as `SemanticAttention` does at inverse temperature 0, by one product of matrices a
    history instead of one an event.

    Parameters
    ----------
    split
        Has the validation queries; its training events tell head from tail, and `cold` what was held out.
    recency_decay
        An event with n later ones counts (1 + n)^-recency_decay.
    seed
        Of the sample.
    """

    def __init__(self, split: Split, recency_decay: float, seed: int) -> None:
        self.split, self.recency_decay = split, recency_decay
        self.queries = split.validation.sample(QUERIES, seed)
        groups = target_groups(split.train.counts, split.cold)
        self.groups = {name: items[self.queries.targets] for name, items in groups.items()}

    def __call__(self, vectors: Floats) -> dict[str, float]:
        """Measure ndcg@10 of all targets and of each `target_groups`; groups without a query are left out.

        Parameters
        ----------
        vectors
            Unit vectors of all items, shape (items, dimensions).
        """

        def score_batch(batch: Queries) -> Floats:
            h = batch.histories.latest(SemanticAttention.window)
            weights = recency_weights(h.ages.astype(np.float64), self.recency_decay).astype(np.float32)
            pooling = sp.csr_array((weights, h.items, h.offsets), shape=(len(batch), len(vectors)))
            scores: Floats = (pooling @ vectors) @ vectors.T
            return scores

        values = ndcg(full_ranks(score_batch, self.queries, len(vectors), self.split.repeats))
        groups = {name: values[queries] for name, queries in self.groups.items() if queries.any()}
        return {name: float(each.mean()) for name, each in {"all": values, **groups}.items()}


def validation_score(metrics: Mapping[str, float]) -> float:
    """Average ndcg@10 of all targets, of those in the tail and, if there are such, of held-out items.

    Accuracy that costs the tail is no gain, nor is it one to learn the known items by heart.

    Examples
    --------
    >>> validation_score({"all": 0.08, "tail80": 0.06})
    0.07
    """
    parts = [metrics["all"], metrics.get("tail80", metrics["all"])]
    return fmean([*parts, metrics["cold"]] if "cold" in metrics else parts)


def mean_validation_score(step: Mapping[str, Mapping[str, float]]) -> float:
    """Average the `validation_score` over the domains of a validation step."""
    return sum(map(validation_score, step.values())) / len(step)

"""How well vectors alone rank the next item, before any other signal joins in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import scored
from tailrank.metrics.popularity import COUNT_LABELS, count_buckets, tail_items
from tailrank.metrics.ranking import ndcg, target_ranks
from tailrank.signals.recency_decay import recency_weights
from tailrank.signals.semantic import SemanticAttention

QUERIES: Final = 4_000
"""Validation queries that decide when to stop, at most."""


@dataclass(frozen=True)
class PooledHistories:
    """Dot product of a candidate's vector with the recency-weighted sum of a history's vectors.

    It orders items as `SemanticAttention` does at inverse temperature 0, by one product of matrices a history
    instead of one an event.

    Attributes
    ----------
    vectors
        Unit vectors of all items, shape (items, dimensions).
    recency_decay
        An event with n later ones counts (1 + n)^-recency_decay.
    """

    vectors: Floats
    recency_decay: float

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score candidates; shape (histories, candidates)."""
        h = histories.latest(SemanticAttention.window)
        weights = recency_weights(h, self.recency_decay)
        pooling = sp.csr_array((weights, h.items, h.offsets), shape=(len(h), len(self.vectors)))
        values = self.vectors if candidates.whole else self.vectors[candidates.codes]
        scores: Floats = (pooling @ self.vectors) @ values.T
        return scores


class Validator:
    """Ranks a split's validation queries by vectors.

    Parameters
    ----------
    split
        Has the validation queries; its training events tell head from tail.
    recency_decay
        An event with n later ones counts (1 + n)^-recency_decay.
    seed
        Of the sample.
    """

    def __init__(self, split: Split, recency_decay: float, seed: int) -> None:
        self.split, self.recency_decay = split, recency_decay
        self.queries = split.validation.sample(QUERIES, seed)
        counts, targets = split.train.counts, self.queries.targets
        buckets = count_buckets(counts)[targets]
        self.groups = {"all": np.ones(len(targets), bool), "tail80": tail_items(counts)[targets]}
        self.groups |= {f"count={label}": buckets == at for at, label in enumerate(COUNT_LABELS)}

    def __call__(self, vectors: Floats) -> dict[str, float]:
        """Measure ndcg@10 of all targets and by how often they occur; groups without a query are left out.

        Parameters
        ----------
        vectors
            Unit vectors of all items, shape (items, dimensions).
        """
        model = PooledHistories(vectors, self.recency_decay)
        values = np.concatenate(
            [
                ndcg(target_ranks(scores, batch.targets))
                for batch, scores in scored(model, self.queries, self.split)
            ]
        )
        return {name: float(values[group].mean()) for name, group in self.groups.items() if group.any()}

    def score(self, vectors: Floats) -> float:
        """Give the `validation_score` of vectors."""
        return validation_score(self(vectors))


def validation_score(ndcg: Mapping[str, float]) -> float:
    """Average ndcg@10 of all targets and of those in the tail: accuracy that costs the tail is no gain.

    Examples
    --------
    >>> validation_score({"all": 0.08, "tail80": 0.06})
    0.07
    """
    return (ndcg["all"] + ndcg.get("tail80", ndcg["all"])) / 2


def mean_validation_score(step: Mapping[str, Mapping[str, float]]) -> float:
    """Average the `validation_score` over the domains of a validation step."""
    return sum(map(validation_score, step.values())) / len(step)

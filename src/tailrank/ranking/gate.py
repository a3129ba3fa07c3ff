"""The gate before a model replaces the one in service: both rank events that neither has learned from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import UNTYPED, Queries
from tailrank.metrics.full_ranking import full_ranks
from tailrank.metrics.ranking import ndcg
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.reranker import Reranker

QUERIES: Final = 4_000
"""Events that both models rank, at most."""


@dataclass(frozen=True)
class Verdict:
    """How a candidate compares with the model in service.

    Attributes
    ----------
    queries
        Events that both ranked.
    current, candidate
        ndcg@10 of the model in service and of the candidate, the whole catalogue ranked.
    low, high
        Ends of the 95% interval, over users, of the candidate's ndcg@10 minus the other's.
    """

    queries: int
    current: float
    candidate: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the candidate is no worse, or so little worse that it may be chance."""
        return self.high >= 0

    def as_dict(self) -> dict[str, float | bool]:
        """Give all of it as JSON has it."""
        return {**asdict(self), "passed": self.passed}


def compare(candidate: Reranker, current: Reranker, dataset: Dataset, queries: Queries) -> Verdict:
    """Rank the same events by both models.

    Parameters
    ----------
    candidate, current
        Neither has learned from the events that the queries ask for.
    dataset
        Whose codes the queries have; an item that a model doesn't know comes last in its rankings.
    queries
        At least one, of two users or more; at most `QUERIES` of them are ranked.
    """
    asked = queries.sample(QUERIES, seed=0)
    ours, theirs = (_gains(model, dataset, asked) for model in (candidate, current))
    difference = paired_bootstrap(ours, theirs, asked.users)
    low, high = (difference.low, difference.high) if difference else (-1.0, 1.0)
    return Verdict(len(asked), float(theirs.mean()), float(ours.mean()), low, high)


def _gains(model: Reranker, dataset: Dataset, queries: Queries) -> Doubles:
    """Compute ndcg@10 of each query, shape (queries,)."""
    codes = model.catalogue.codes_of(dataset.item_ids)
    types = np.append(model.catalogue.types_of(dataset.event_types), UNTYPED)  # code -1 is the last
    known = np.flatnonzero(codes >= 0)
    candidates = Candidates(codes[known], len(model.catalogue))

    def score_batch(batch: Queries) -> Floats:
        scores = np.full((len(batch), dataset.n_items), -np.inf, np.float32)
        scores[:, known] = model.score(batch.histories.recoded(codes, types), candidates)
        return scores

    return ndcg(full_ranks(score_batch, queries, dataset.n_items, repeats=True))

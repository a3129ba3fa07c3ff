"""Full ranking: a model scores the whole catalogue for each query, and the target's rank is measured.

Every query has one target. A metric is the mean over queries, so users with more queries weigh more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias, runtime_checkable

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.beyond_accuracy import list_metrics
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.ranking import PER_QUERY, mean, target_ranks, top_items
from tailrank.reporting import Progress, silent


@runtime_checkable
class QueryScorer(Protocol):
    """Scores candidates for queries: a model that knows users by who they are, not by history alone."""

    def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
        """Score every candidate for every query; shape (queries, candidates)."""
        ...


Model: TypeAlias = Scorer | QueryScorer
"""Anything that an evaluation can rank with."""


@dataclass(frozen=True)
class Outcome:
    """What one model did with the queries.

    Attributes
    ----------
    ranks
        Rank of each query's target in the full ranking, the best being 1; shape (queries,).
    top
        Item codes of the first ten, -1 if the list is shorter; shape (queries, 10).
    """

    ranks: Codes
    top: Codes

    @classmethod
    def from_scores(cls, scores: Floats, targets: Codes) -> Self:
        """Rank by scores, shape (queries, items); items at minus infinity are in no list."""
        return cls(target_ranks(scores, targets).astype(np.int32), top_items(scores))

    @classmethod
    def among(cls, eligible: Bools, scores: Floats, targets: Codes) -> Self:
        """Rank as if the catalogue held the eligible items alone; only queries with such a target are kept.

        Parameters
        ----------
        eligible
            Shape (items,).
        scores, targets
            As for `from_scores`.
        """
        if eligible.all():
            return cls.from_scores(scores, targets)
        rows = eligible[targets]
        return cls.from_scores(np.where(eligible, scores[rows], -np.inf), targets[rows])

    @classmethod
    def from_batches(cls, outcomes: Sequence[Self]) -> Self:
        """Concatenate the outcomes of batches of queries."""
        return cls(np.concatenate([o.ranks for o in outcomes]), np.concatenate([o.top for o in outcomes]))


def _masked(scores: Floats, batch: Queries, repeats: bool) -> Floats:
    """Write minus infinity over the scores of items of the history, unless these may be ranked."""
    if not repeats:
        scores[batch.full_histories.owners, batch.full_histories.items] = -np.inf
    return scores


def full_ranks(
    score_batch: Callable[[Queries], Floats], queries: Queries, n_items: int, repeats: bool
) -> Doubles:
    """Rank the targets among all items, equal scores counting half; shape (queries,).

    Parameters
    ----------
    score_batch
        Scores every item for each of some queries, shape (queries, items); the array is written to.
    queries
        Any number.
    n_items
        Size of the catalogue.
    repeats
        Whether items of the history may be ranked; if not, their scores become minus infinity.
    """
    ranks = (
        target_ranks(_masked(score_batch(batch), batch, repeats), batch.targets)
        for batch in queries.batches(n_items)
    )
    return np.concatenate([np.zeros(0), *ranks])


def score(model: Model, queries: Queries, candidates: Candidates) -> Floats:
    """Score candidates with either type of model; shape (queries, candidates)."""
    if isinstance(model, QueryScorer):
        return model.score_queries(queries, candidates)
    return model.score(queries.histories, candidates)


def score_everything(model: Model, batch: Queries, n_items: int, repeats: bool) -> Floats:
    """Score the whole catalogue for a batch, shape (queries, items); `repeats` as for `full_ranks`."""
    return _masked(np.array(score(model, batch, Candidates.everything(n_items))), batch, repeats)


def scored(model: Model, queries: Queries, split: Split) -> Iterator[tuple[Queries, Floats]]:
    """Score the catalogue of a split with a model; yields each batch of queries and its scores."""
    n_items = split.full_train.n_items
    for batch in queries.batches(n_items):
        yield batch, score_everything(model, batch, n_items, split.repeats)


def rank_queries(
    model: Model, queries: Queries, split: Split, progress: Progress = silent, task: str = "rank"
) -> Outcome:
    """Rank the whole catalogue for every query.

    Parameters
    ----------
    model
        What ranks.
    queries
        At least one.
    split
        If it doesn't allow repeats, items of the history are masked.
    progress, task
        Called with the number of queries that are ranked, under the name of the task.
    """
    outcomes, done = [], 0
    for batch, scores in scored(model, queries, split):
        outcomes.append(Outcome.from_scores(scores, batch.targets))
        done += len(batch)
        progress(task, done, len(queries))
    return Outcome.from_batches(outcomes)


def per_query(outcome: Outcome, metric: str = "ndcg@10") -> Doubles:
    """Give the value of each query, for a paired comparison of two models; shape (queries,).

    `metric` is one of `tailrank.metrics.ranking.PER_QUERY`.
    """
    return PER_QUERY[metric](outcome.ranks)


def measure(
    outcome: Outcome,
    targets: Codes,
    counts: Offsets,
    vectors: Floats | None = None,
    cold: Bools | None = None,
    eligible: Bools | None = None,
) -> dict[str, float | None]:
    """Compute all metrics of one model.

    Parameters
    ----------
    outcome
        Ranks and lists of the model.
    targets
        Item code of each query's target, shape (queries,).
    counts
        Interactions of each item in training, shape (items,): they say what is head and tail.
    vectors
        Unit or zero vectors of the items, shape (items, d), for `ild@10`; None if there are none.
    cold
        Items that were made cold, shape (items,); None if none were.
    eligible
        Items that could be in a list, shape (items,): what coverage and Gini are shares of; None for all.

    Returns
    -------
    dict[str, float | None]
        None for a metric without a query behind it. Groups such as `ndcg@10/tail80` hold the
        queries whose target is in the group.
    """
    gains = per_query(outcome)
    return {
        **{name: mean(per_query(outcome, name)) for name in PER_QUERY},
        **{
            f"ndcg@10/{name}": mean(gains[items[targets]])
            for name, items in target_groups(counts, cold).items()
        },
        **list_metrics(outcome.top, counts, vectors, eligible),
    }

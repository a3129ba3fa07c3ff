"""Full ranking: a model scores the whole catalogue for each query, and the target's rank is read off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.beyond_accuracy import Outcome
from tailrank.metrics.ranking import TOP, mask_history, target_ranks


@runtime_checkable
class QueryScorer(Protocol):
    """Scores candidates for queries: a model that knows people by who they are, not by history alone."""

    def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
        """Score every candidate for every query; shape (queries, candidates)."""
        ...


Model: TypeAlias = Scorer | QueryScorer
"""Anything that an evaluation can rank with."""


def score(model: Model, queries: Queries, candidates: Candidates) -> Floats:
    """Score candidates with either kind of model; shape (queries, candidates)."""
    if isinstance(model, QueryScorer):
        return model.score_queries(queries, candidates)
    return model.score(queries.histories, candidates)


def rank_queries(
    model: Model, queries: Queries, split: Split, advance: Callable[[int], None] | None = None
) -> Outcome:
    """Rank the whole catalogue for every query.

    Parameters
    ----------
    model
        What ranks.
    queries
        At least one.
    split
        Where it doesn't allow repeats, items of the history are masked.
    advance
        Called after each batch with the number of queries that are done.
    """
    outcomes, done = [], 0
    for batch, scores in scored(model, queries, split):
        outcomes.append(read_off(scores, batch.targets))
        if advance:
            advance(done := done + len(batch))
    return joined(outcomes)


def scored(model: Model, queries: Queries, split: Split) -> Iterator[tuple[Queries, Floats]]:
    """Score batch after batch, shape (queries, items); masked items get minus infinity."""
    everything = Candidates.everything(split.full_train.n_items)
    for batch in queries.batches(len(everything)):
        scores = np.array(score(model, batch, everything))
        if not split.repeats:
            mask_history(scores, batch)
        yield batch, scores


def read_off(scores: Floats, targets: Codes) -> Outcome:
    """Read off each target's rank, equal scores counting half, and the first ten.

    Parameters
    ----------
    scores
        Shape (queries, items); items at minus infinity are in no list.
    targets
        Shape (queries,).
    """
    first = np.argpartition(-scores, min(TOP, scores.shape[1]) - 1, axis=1)[:, :TOP]
    values = np.take_along_axis(scores, first, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top = np.full((len(targets), TOP), -1, dtype=np.int32)
    top[:, : first.shape[1]] = np.where(
        np.isfinite(np.take_along_axis(values, order, axis=1)), np.take_along_axis(first, order, axis=1), -1
    )
    return Outcome(target_ranks(scores, targets).astype(np.int32), top)


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Put the outcomes of batches one after another."""
    return Outcome(np.concatenate([o.ranks for o in outcomes]), np.concatenate([o.top for o in outcomes]))

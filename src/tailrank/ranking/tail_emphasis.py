"""How far fusion's weights may go from the most accurate ranking toward one for the tail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.histories import Queries
from tailrank.metrics.ranking import ndcg, target_ranks
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fusion import Fusion, history_buckets

EMPHASIS: Final = 8.0
"""How many times as much a query with a target in the tail counts at the far end of the path."""

PATH: Final = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Shares of the way to the far end that are tried."""


def query_importances(evidence: Evidence, queries: Queries, tail: Bools) -> tuple[Floats, Floats]:
    """Say how much each query counts at the two ends of the path, each of shape (queries,).

    0 if its target is none to learn from; otherwise 1, and `EMPHASIS` for one in the tail at the far end.
    """
    plain = evidence.learnable(queries).astype(np.float32)
    return plain, plain * np.where(tail[queries.targets], EMPHASIS, 1).astype(np.float32)


class Frontier(NamedTuple):
    """What each point of the path ranks like, by full ranking.

    Attributes
    ----------
    overall
        Mean ndcg@10, shape (points,).
    in_tail
        Mean ndcg@10 of targets in the tail, shape (points,). Where targets aren't on both sides nothing can
        be weighed: then it is `overall` at the accurate end, and nothing elsewhere.
    """

    overall: Doubles
    in_tail: Doubles

    def between(self, points: slice) -> Frontier:
        """Keep some points."""
        return Frontier(self.overall[points], self.in_tail[points])


def frontier(
    accurate: Fusion,
    for_tail: Fusion,
    evidence: Evidence,
    queries: Queries,
    tail: Bools,
    max_history: int,
) -> Frontier:
    """Rank by the weights along the path from one fusion to another.

    Parameters
    ----------
    accurate, for_tail
        The ends of the path, fitted on other queries.
    evidence
        How items are seen; only those it learns from compete, the arriving ones as new.
    queries
        To rank for.
    tail
        Items of the tail, shape (items,).
    max_history
        Latest events that signals see.
    """
    queries = queries.take(evidence.learnable(queries))
    rare = tail[queries.targets]
    if not len(queries):
        return Frontier(np.zeros(len(PATH)), np.zeros(len(PATH)))
    gains = np.concatenate(list(_gains(accurate, for_tail, evidence, queries, max_history)), axis=1)
    overall = gains.mean(axis=1)
    if not rare.any() or rare.all():
        return Frontier(overall, np.where(np.arange(len(PATH)) == 0, overall, -1.0))
    return Frontier(overall, gains[:, rare].mean(axis=1))


def best_point(frontiers: Sequence[Frontier], cost: float) -> tuple[int, int]:
    """Choose among the points of several paths.

    Of those that give up no more than a share of the best ndcg@10 of all, that with the best ndcg@10 of
    targets in the tail.

    Parameters
    ----------
    frontiers
        Each measured on the same queries.
    cost
        Share of ndcg@10 that may be given up.

    Returns
    -------
    tuple of int
        Which path, and which of its points; the first of equals.

    Examples
    --------
    >>> plain = Frontier(np.array([0.100, 0.0995, 0.08]), np.array([0.03, 0.04, 0.06]))
    >>> other = Frontier(np.array([0.101, 0.0990, 0.09]), np.array([0.02, 0.05, 0.07]))
    >>> best_point([plain], 0.01), best_point([plain, other], 0.01), best_point([plain, other], 0.05)
    ((0, 1), (0, 0), (1, 1))
    """
    overall, in_tail = (np.stack(values) for values in zip(*frontiers, strict=True))
    affordable = overall >= (1 - cost) * overall.max()
    path, point = divmod(int(np.where(affordable, in_tail, -1.0).argmax()), overall.shape[1])
    return path, point


def _gains(
    accurate: Fusion, for_tail: Fusion, evidence: Evidence, queries: Queries, max_history: int
) -> Iterator[Doubles]:
    """Give ndcg@10 at each point of the path, shape (points, queries), a batch at a time."""
    for batch in queries.batches(len(evidence.fair)):
        histories = batch.histories.latest(max_history)
        scores, known = evidence.score(histories), history_buckets(histories.lengths)
        start, end = (one.fuse(scores, evidence.levels, known).total for one in (accurate, for_tail))
        hidden = ~evidence.candidates(batch)
        hidden[np.arange(len(batch)), batch.targets] = False
        yield np.stack(
            [
                ndcg(
                    target_ranks(np.where(hidden, -np.inf, (1 - share) * start + share * end), batch.targets)
                )
                for share in PATH
            ]
        )

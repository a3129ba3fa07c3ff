"""How far fusion's weights may go from the most accurate ranking toward one for the tail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

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


def affordable_emphasis(
    accurate: Fusion,
    for_tail: Fusion,
    evidence: Evidence,
    queries: Queries,
    tail: Bools,
    cost: float,
    max_history: int,
) -> float:
    """Choose how far to go from one fusion's weights to another's, by full ranking.

    Of the points of the path that give up no more than `cost` of the best ndcg@10, that with the best
    ndcg@10 of targets in the tail.

    Parameters
    ----------
    accurate, for_tail
        The ends of the path, fitted on other queries.
    evidence
        How items are seen; only those it learns from compete, the arriving ones as new.
    queries
        To choose by.
    tail
        Items of the tail, shape (items,).
    cost
        Share of ndcg@10 that may be given up.
    max_history
        Latest events that signals see.

    Returns
    -------
    float
        One of `PATH`.
    """
    queries = queries.take(evidence.learnable(queries))
    rare = tail[queries.targets]
    if not rare.any() or rare.all():
        return 0.0
    gains = np.concatenate(list(_gains(accurate, for_tail, evidence, queries, max_history)), axis=1)
    overall, in_tail = gains.mean(axis=1), gains[:, rare].mean(axis=1)
    affordable = overall >= (1 - cost) * overall.max()
    return PATH[int(np.where(affordable, in_tail, -1.0).argmax())]


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

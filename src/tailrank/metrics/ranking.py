"""Ranks of targets among all items, and the metrics that ranks give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets

TOP: Final = 10
"""Length of the list that counts."""


def target_ranks(scores: Floats, targets: Codes) -> Doubles:
    """Rank each query's target among all items, the best being 1; equal scores count half.

    A target scored NaN ranks last: a model that fails must not look perfect.

    Parameters
    ----------
    scores
        Shape (queries, items).
    targets
        Item codes, shape (queries,).

    Examples
    --------
    >>> scores = np.array([[3.0, 1.0, 2.0], [5.0, 5.0, 0.0]], dtype=np.float32)
    >>> target_ranks(scores, np.array([2, 0], dtype=np.int32)).tolist()
    [2.0, 1.5]
    >>> target_ranks(np.full((1, 3), np.nan, np.float32), np.array([0], dtype=np.int32)).tolist()
    [3.5]
    """
    target = scores[np.arange(len(targets)), targets][:, None]
    not_above, level = (scores <= target).sum(axis=1), (scores == target).sum(axis=1)
    ranks: Doubles = scores.shape[1] - not_above + (level + 1) / 2
    return ranks


def top_items(scores: Floats) -> Codes:
    """Find the ten items with the highest scores, -1 if a list is shorter; shape (queries, 10).

    Parameters
    ----------
    scores
        Shape (queries, items); items at minus infinity are in no list.

    Examples
    --------
    >>> top_items(np.array([[0.1, -np.inf, 0.3]], dtype=np.float32))[0, :4].tolist()
    [2, 0, -1, -1]
    """
    first = np.argpartition(-scores, min(TOP, scores.shape[1]) - 1, axis=1)[:, :TOP]
    values = np.take_along_axis(scores, first, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    listed = np.isfinite(np.take_along_axis(values, order, axis=1))
    top = np.full((len(scores), TOP), -1, dtype=np.int32)
    top[:, : first.shape[1]] = np.where(listed, np.take_along_axis(first, order, axis=1), -1)
    return top


def ndcg(ranks: Codes | Offsets | Doubles) -> Doubles:
    """Discount a hit in the first ten by the logarithm of its rank: 1 / log2(1 + rank), else 0.

    With one target the ideal gain is 1 (Järvelin and Kekäläinen, 2002); shape (queries,).

    Examples
    --------
    >>> ndcg(np.array([1, 3, 11])).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.where(ranks <= TOP, 1 / np.log2(1.0 + ranks), 0.0)


def recall(ranks: Codes) -> Doubles:
    """Whether the target is among the first ten, as 1 or 0; shape (queries,)."""
    return (ranks <= TOP).astype(np.float64)


def reciprocal_rank(ranks: Codes) -> Doubles:
    """1 / rank, however deep the target lies; shape (queries,)."""
    return 1.0 / ranks


PER_QUERY: Final[dict[str, Callable[[Codes], Doubles]]] = {
    "ndcg@10": ndcg,
    "recall@10": recall,
    "mrr": reciprocal_rank,
}
"""Metrics that have a value for each query, from the rank of its target."""


def mean(values: Doubles) -> float | None:
    """Average over the queries that have a value, leaving NaN out; None if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None

"""Where a target ends up among all items, and what that is worth."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.data.histories import Queries

TOP: Final = 10
"""Length of the list that counts."""


def mask_history(scores: Floats, queries: Queries) -> None:
    """Set what each person took before to minus infinity, in place; (queries, items)."""
    scores[queries.full_histories.owners, queries.full_histories.items] = -np.inf


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


def ndcg(ranks: Codes | Doubles) -> Doubles:
    """Discount a hit in the first ten by the logarithm of its rank: 1 / log2(1 + rank), else 0.

    With one target the ideal gain is 1 (Järvelin and Kekäläinen, 2002); shape (queries,).

    Examples
    --------
    >>> ndcg(np.array([1, 3, 11])).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.where(ranks <= TOP, 1 / np.log2(1.0 + ranks), 0.0)

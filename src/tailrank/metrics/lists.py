"""Metrics of one list in which several items may be relevant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tailrank.arrays import Bools
from tailrank.metrics.ranking import TOP, ndcg


class ListMetrics(NamedTuple):
    """ndcg@10, recall@10 and the reciprocal rank of the first relevant item."""

    ndcg: float
    recall: float
    reciprocal_rank: float


def list_metrics(relevant: Bools, n_relevant: int) -> ListMetrics:
    """Measure a list by its relevant items, all relevant alike.

    Gains are discounted by the logarithm of the rank, and divided by those of an ideal list (Järvelin and
    Kekäläinen, 2002); recall is the share of the relevant items in the first ten.

    Parameters
    ----------
    relevant
        Whether each item is relevant, the first one first, shape (items,).
    n_relevant
        How many relevant items there are, those that the list misses included; at least one.

    Examples
    --------
    >>> list_metrics(np.array([True, False, True]), 2)
    ListMetrics(ndcg=0.9197207891481876, recall=1.0, reciprocal_rank=1.0)
    """
    ranks = 1 + np.flatnonzero(relevant)
    ideal = ndcg(1 + np.arange(min(n_relevant, TOP))).sum()
    return ListMetrics(
        float(ndcg(ranks).sum() / ideal),
        float((ranks <= TOP).sum() / n_relevant),
        1.0 / float(ranks[0]) if len(ranks) else 0.0,
    )

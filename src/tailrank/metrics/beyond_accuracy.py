"""Figures of one model: whether it finds the target, and what it does to the rest of the catalogue.

Every query has one target. A figure is the mean over queries, so people with more queries weigh more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.metrics.popularity import COUNT_LABELS, count_buckets, tail_items
from tailrank.metrics.ranking import TOP, ndcg

ILD_CHUNK: Final = 1024
"""Queries whose item vectors are gathered at once: 16 MB at 384 dimensions."""


@dataclass(frozen=True)
class Outcome:
    """What one model did with the queries.

    Attributes
    ----------
    ranks
        Rank of each query's target in the full ranking, the best being 1; shape (queries,).
    top
        Item codes of the first ten, -1 where the list is shorter; shape (queries, 10).
    """

    ranks: Codes
    top: Codes


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


def per_query(outcome: Outcome, metric: str = "ndcg@10") -> Doubles:
    """Give the value of each query, for a paired comparison of two models; shape (queries,).

    `metric` is one of `PER_QUERY`.
    """
    return PER_QUERY[metric](outcome.ranks)


def target_groups(counts: Offsets) -> dict[str, Bools]:
    """Name the groups that a figure is broken down by, and mark the items of each; shape (items,).

    Examples
    --------
    >>> groups = target_groups(np.array([9, 1, 5, 0, 2]))
    >>> list(groups)
    ['tail80', 'head20', 'count=0', 'count=1-5', 'count=6-20', 'count>20']
    >>> groups["count=1-5"].tolist()
    [False, True, True, False, True]
    """
    tail, buckets = tail_items(counts), count_buckets(counts)
    names = [f"count{label}" if label[0] == ">" else f"count={label}" for label in COUNT_LABELS]
    return {"tail80": tail, "head20": ~tail} | {name: buckets == at for at, name in enumerate(names)}


def exposure(top: Codes, n_items: int) -> Offsets:
    """Count how often each item was among the first ten; shape (items,)."""
    return np.bincount(top[top >= 0], minlength=n_items)


def gini(shown: Offsets) -> float | None:
    """Measure how unequally exposure is spread: 0 when every item gets the same, 1 when one gets all.

    With the n exposures in ascending order, sum over k of (2k - n - 1) x_k / ((n - 1) sum of x)
    (Shani and Gunawardana, "Evaluating recommendation systems", 2011). None if nothing was shown.

    Examples
    --------
    >>> gini(np.array([5, 5, 5])), gini(np.array([0, 0, 7]))
    (0.0, 1.0)
    """
    n, total = len(shown), int(shown.sum())
    if total == 0:
        return None
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(shown) / (max(n - 1, 1) * total))


def list_means(top: Codes, values: Doubles) -> Doubles:
    """Average a value of the items over each list, NaN for an empty list; shape (queries,).

    Parameters
    ----------
    top
        Shape (queries, 10).
    values
        Shape (items,).
    """
    listed = top >= 0
    return _share(np.where(listed, values[top], 0.0).sum(axis=1), listed.sum(axis=1))


def self_information(counts: Offsets) -> Doubles:
    """Bits that each item's appearance carries: -log2 p, p = (count + 1) / (all counts + items).

    Mean self-information is the novelty of Zhou et al. (PNAS, 2010); the added one gives items
    without an interaction a finite value. Shape (items,).
    """
    probabilities: Doubles = (counts + 1) / (counts.sum() + len(counts))
    return -np.log2(probabilities)


def intra_list_distance(top: Codes, vectors: Floats) -> Doubles:
    """Average 1 - cosine over the pairs of each list, NaN where it has no pair; shape (queries,).

    The diversity of Ziegler et al. (WWW, 2005). The cosines of all ordered pairs of n unit vectors
    sum to |sum of vectors|^2 - n, so no pair is formed. An item without text (a zero vector) is at
    distance 1 from everything.

    Parameters
    ----------
    top
        Shape (queries, 10).
    vectors
        Unit or zero vectors, shape (items, d).
    """
    lengths = (top >= 0).sum(axis=1)
    cosines = np.empty(len(top))
    for start in range(0, len(top), ILD_CHUNK):
        rows = top[start : start + ILD_CHUNK]
        chosen = vectors[rows] * (rows >= 0)[:, :, None]
        norms = np.einsum("qkd,qkd->q", chosen, chosen)
        cosines[start : start + ILD_CHUNK] = np.square(chosen.sum(axis=1)).sum(axis=1) - norms
    return 1 - _share(cosines, lengths * (lengths - 1))


def measure(
    outcome: Outcome, targets: Codes, counts: Offsets, vectors: Floats | None = None
) -> dict[str, float | None]:
    """Compute all figures of one model.

    Parameters
    ----------
    outcome
        Ranks and lists of the model.
    targets
        Item code of each query's target, shape (queries,).
    counts
        Interactions of each item in training, shape (items,): they say what is head and tail.
    vectors
        Unit vectors of the items, shape (items, d), for `ild@10`; None where there are none.

    Returns
    -------
    dict[str, float | None]
        None for a figure without a query behind it. Groups such as `ndcg@10/tail80` hold the
        queries whose target is in the group. `arp@10` and `aplt@10` (average popularity, and share
        of tail80 items, in a list) follow Abdollahpouri, Burke and Mobasher (FLAIRS, 2019).
    """
    top, shown = outcome.top, exposure(outcome.top, len(counts))
    gains = per_query(outcome)
    groups = target_groups(counts)
    figures = {name: _mean(per_query(outcome, name)) for name in PER_QUERY}
    figures |= {f"ndcg@10/{name}": _mean(gains[members[targets]]) for name, members in groups.items()}
    return figures | {
        "coverage@10": float(np.mean(shown > 0)) if len(top) else None,
        "gini@10": gini(shown),
        "arp@10": _mean(list_means(top, counts.astype(np.float64))),
        "aplt@10": _mean(list_means(top, groups["tail80"].astype(np.float64))),
        "novelty@10": _mean(list_means(top, self_information(counts))),
        "ild@10": None if vectors is None else _mean(intra_list_distance(top, vectors)),
    }


def _share(sums: Doubles, sizes: Offsets) -> Doubles:
    """Divide, with NaN where there is nothing to divide by; shape (queries,)."""
    shares = np.full(len(sums), np.nan)
    np.divide(sums, sizes, out=shares, where=sizes > 0)
    return shares


def _mean(values: Doubles) -> float | None:
    """Average over the queries that have a value."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None

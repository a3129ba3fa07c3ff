"""Beyond accuracy: how much of the catalogue lists show, how popular it is and how diverse."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import mean

ILD_CHUNK: Final = 1024
"""Queries whose item vectors are gathered at once: 16 MB at 384 dimensions."""


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
    return gini_of_groups(*np.unique(shown, return_counts=True))


def gini_of_groups(times: Offsets, items: Offsets) -> float | None:
    """Measure the same of groups of items that were shown equally often.

    Parameters
    ----------
    times
        How often each item of a group was shown, rising, shape (groups,).
    items
        How many items a group has, shape (groups,).
    """
    n, total = int(items.sum()), int(times @ items)
    if total == 0:
        return None
    last = items.cumsum()  # of a group that ends with the k-th item, k; the sum of 2k - n - 1 over it follows
    return float((times * items) @ (2 * last - items - n) / (max(n - 1, 1) * total))


def exposure_curve(times: Offsets, items: Offsets, shares: Doubles) -> Doubles:
    """Say which share of all exposure the most shown items get: a Lorenz curve from its upper end.

    Parameters
    ----------
    times, items
        As in `gini_of_groups`; something was shown.
    shares
        Of the items, 0 to 1, shape (shares,).

    Returns
    -------
    Doubles
        Shape (shares,).

    Examples
    --------
    >>> exposure_curve(np.array([0, 1, 6]), np.array([2, 2, 1]), np.array([0.2, 0.4, 1.0])).tolist()
    [0.75, 0.875, 1.0]
    """
    most_first = np.append(0, items[::-1].cumsum()), np.append(0, (times * items)[::-1].cumsum())
    of_items, of_shown = (each / each[-1] for each in most_first)
    found: Doubles = np.interp(shares, of_items, of_shown)
    return found


def list_means(top: Codes, values: Doubles) -> Doubles:
    """Average a value of the items over each list, NaN for an empty list; shape (queries,)."""
    listed = top >= 0
    return _share(np.where(listed, values[top], 0.0).sum(axis=1), listed.sum(axis=1))


def _self_information(counts: Offsets) -> Doubles:
    """Bits that each item's appearance carries: -log2 p, p = (count + 1) / (all counts + items).

    Mean self-information is the novelty of Zhou et al. (PNAS, 2010); the added one gives items
    without an interaction a finite value. Shape (items,).
    """
    probabilities: Doubles = (counts + 1) / (counts.sum() + len(counts))
    return -np.log2(probabilities)


def _intra_list_distance(top: Codes, vectors: Floats) -> Doubles:
    """Average 1 - cosine over the pairs of each list, NaN if it has no pair; shape (queries,).

    The diversity of Ziegler et al. (WWW, 2005). The cosines of all ordered pairs of n unit vectors
    sum to |sum of vectors|^2 - n, so no pair is formed. An item without text (a zero vector) is at
    distance 1 from everything.
    """
    lengths = (top >= 0).sum(axis=1)
    cosines = np.empty(len(top))
    for start in range(0, len(top), ILD_CHUNK):
        rows = top[start : start + ILD_CHUNK]
        chosen = vectors[rows] * (rows >= 0)[:, :, None]
        norms = np.einsum("qkd,qkd->q", chosen, chosen)
        cosines[start : start + ILD_CHUNK] = np.square(chosen.sum(axis=1)).sum(axis=1) - norms
    return 1 - _share(cosines, lengths * (lengths - 1))


def list_metrics(
    top: Codes, counts: Offsets, vectors: Floats | None = None, eligible: Bools | None = None
) -> dict[str, float | None]:
    """Measure what lists, shape (queries, 10), show of the catalogue.

    `counts`, `vectors` and `eligible` are those of `full_ranking.measure`.

    Returns
    -------
    dict[str, float | None]
        None without a list. `arp@10` and `aplt@10` (average popularity, and share of tail80 items, in a
        list) follow Abdollahpouri, Burke and Mobasher (FLAIRS, 2019).
    """
    shown = exposure(top, len(counts))
    shown = shown if eligible is None else shown[eligible]
    return {
        "coverage@10": float(np.mean(shown > 0)) if len(top) else None,
        "gini@10": gini(shown),
        "arp@10": mean(list_means(top, counts.astype(np.float64))),
        "aplt@10": mean(list_means(top, tail_items(counts).astype(np.float64))),
        "novelty@10": mean(list_means(top, _self_information(counts))),
        "ild@10": None if vectors is None else mean(_intra_list_distance(top, vectors)),
    }


def _share(sums: Doubles, sizes: Offsets) -> Doubles:
    """Divide, with NaN if there is nothing to divide by; shape (queries,)."""
    shares = np.full(len(sums), np.nan)
    np.divide(sums, sizes, out=shares, where=sizes > 0)
    return shares

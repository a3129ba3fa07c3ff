"""Head and tail: the words of every report and policy."""

from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets

HEAD_SHARE: Final = 0.2
COUNT_EDGES: Final = (1, 6, 21)
COUNT_LABELS: Final = ("0", "1-5", "6-20", ">20")
DECILES: Final = 10


def tail_items(counts: Offsets) -> Bools:
    """Mark the items outside the most popular 20% (`tail80`).

    Parameters
    ----------
    counts
        Interactions of each item in training, shape (items,). Equal counts are ordered by code.

    Returns
    -------
    Bools
        Shape (items,).

    Examples
    --------
    >>> tail_items(np.array([9, 1, 5, 0, 2])).tolist()
    [False, True, True, True, True]
    """
    tail = np.ones(len(counts), dtype=bool)
    tail[np.argsort(-counts, kind="stable")[: round(HEAD_SHARE * len(counts))]] = False
    return tail


def count_buckets(counts: Offsets) -> Codes:
    """Assign each item to one of `COUNT_LABELS` by its interactions in training; shape (items,).

    Examples
    --------
    >>> count_buckets(np.array([0, 1, 5, 6, 20, 21])).tolist()
    [0, 1, 1, 2, 2, 3]
    """
    return np.searchsorted(COUNT_EDGES, counts, side="right").astype(np.int32)


def popularity_deciles(counts: Offsets) -> Codes:
    """Assign each item to a tenth of the items, from the most popular, 0, to the least, 9; shape (items,).

    Parameters
    ----------
    counts
        Interactions of each item in training, shape (items,). Equal counts are ordered by code.

    Examples
    --------
    >>> popularity_deciles(np.array([9, 1, 5, 0, 2])).tolist()
    [0, 6, 2, 8, 4]
    """
    deciles = np.empty(len(counts), np.int32)
    deciles[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) * DECILES // max(len(counts), 1)
    return deciles


def decile_shares(counts: Offsets) -> Doubles | None:
    """Give the share of all interactions that each of `popularity_deciles` has, shape (10,); None if none.

    Examples
    --------
    >>> decile_shares(np.array([5, 1, 1, 1, 1, 1, 0, 0, 0, 0])).tolist()
    [0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0]
    """
    if not counts.any():
        return None
    of_deciles = np.bincount(popularity_deciles(counts), counts, DECILES)
    shares: Doubles = of_deciles / counts.sum()
    return shares


def target_groups(counts: Offsets, cold: Bools | None = None) -> dict[str, Bools]:
    """Mark the items of each group that metrics are broken down by; shape (items,).

    If items were made cold (`Split.cold`), they and the others are groups, too.

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
    made_cold = {} if cold is None else {"cold": cold, "warm": ~cold}
    by_count = {name: buckets == at for at, name in enumerate(names)}
    return {"tail80": tail, "head20": ~tail} | made_cold | by_count

"""How many items of a protected group a fair list has, at least, in its first ranks."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

HALVINGS: Final = 40
"""Steps of the search for a significance level."""


@lru_cache(maxsize=256)
def adjusted_table(places: int, share: float, alpha: float) -> tuple[int, ...]:
    """Find the least counts under which a list drawn fairly fails at any of its ranks with probability alpha.

    Each rank is a test, and tests at level alpha each would together reject more fair lists than alpha. The
    level that is right for all of them is the highest at which `failure` is alpha at most: algorithm 1 of
    Zehlike et al. ("FA*IR: a fair top-k ranking algorithm", CIKM 2017), its probability computed exactly.

    Parameters
    ----------
    places, share
        As for `least_counts`.
    alpha
        Probability that a fair list is rejected, at most.

    Examples
    --------
    >>> least_counts(10, 0.5, 0.1)
    (0, 0, 0, 1, 1, 1, 2, 2, 3, 3)
    >>> adjusted_table(10, 0.5, 0.1)
    (0, 0, 0, 0, 1, 1, 1, 2, 2, 3)
    """
    low, high = 0.0, alpha
    for _ in range(HALVINGS):
        level = (low + high) / 2
        if failure(least_counts(places, share, level), share) <= alpha:
            low = level
        else:
            high = level
    return least_counts(places, share, low)


def least_counts(places: int, share: float, level: float) -> tuple[int, ...]:
    """Find for each of the first ranks how many protected items a list has there that isn't rejected.

    For k ranks, the least m with F(m; k, share) > level, where F is the binomial distribution (the same,
    definition 1 and table 2).

    Parameters
    ----------
    places
        Ranks, from the first.
    share
        Chance of each item of a fair list to be protected.
    level
        Of significance, of each test by itself.
    """
    from scipy.special import bdtr  # a tenth of a second, which no other request should wait for

    return tuple(
        int(np.searchsorted(bdtr(np.arange(k + 1), k, share), level, side="right"))
        for k in range(1, places + 1)
    )


def failure(table: tuple[int, ...], share: float) -> float:
    """Give the probability that a list, each item of which is protected by chance, falls below a table."""
    alive = np.ones(1)  # by how many protected items there are so far
    for least in table:
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        alive[:least] = 0.0
    return float(1 - alive.sum())

"""Intervals that say whether a difference between two models is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Bools, Codes, Doubles

DRAWS_AT_ONCE: Final = 2_000_000
"""Users drawn in one batch of resamples: 50 MB."""


@dataclass(frozen=True)
class Difference:
    """Mean of one model minus mean of another, over the same queries.

    Attributes
    ----------
    mean
        The observed difference.
    low, high
        Ends of its 95% interval.
    """

    mean: float
    low: float
    high: float


def paired_bootstrap(
    a: Doubles, b: Doubles, users: Codes, rows: Bools | None = None, *, resamples: int = 1000, seed: int = 0
) -> Difference | None:
    """Bound mean(a) - mean(b) by resampling users, with all of their queries, with replacement.

    The percentile interval of Efron and Tibshirani ("An introduction to the bootstrap", 1993,
    chapter 13). Queries of one user are alike, so users are drawn and not queries; each draw
    keeps a user's two values together, so what both models find hard cancels out.

    Parameters
    ----------
    a, b
        Values of the two models, shape (queries,).
    users
        User code of each query, shape (queries,).
    rows
        Queries to compare on, shape (queries,); None takes all.
    resamples
        Number of bootstrap samples.
    seed
        Seed of the draws.

    Returns
    -------
    Difference | None
        None if fewer than two users have a query, since nothing varies then.

    Examples
    --------
    >>> a, b = np.array([1.0, 0.0, 1.0, 0.5]), np.array([0.5, 0.0, 0.5, 0.5])
    >>> paired_bootstrap(a, b, users=np.array([0, 0, 1, 2])).mean
    0.25
    """
    from scipy.stats import bootstrap  # half a second, which no other command should wait for

    chosen = np.ones(len(users), dtype=bool) if rows is None else rows
    user = np.unique(users[chosen], return_inverse=True)[1]
    queries = np.bincount(user)
    if len(queries) < 2:
        return None
    sums = np.bincount(user, weights=(a - b)[chosen])
    drawn = bootstrap(
        (sums, queries),
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, DRAWS_AT_ONCE // len(queries)),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = drawn.confidence_interval
    return Difference(float(_ratio(sums, queries)), float(low), float(high))


def standard_error(a: Doubles, b: Doubles, users: Codes) -> float:
    """Estimate the standard error of mean(a) - mean(b) over queries, whose users are drawn and not they.

    That of a ratio of two sums over users, by linearisation (Cochran, "Sampling techniques", 1977, section
    6.4).

    Parameters
    ----------
    a, b
        Values of the two models, shape (queries,).
    users
        User code of each query, shape (queries,).

    Returns
    -------
    float
        Infinite without a query.

    Examples
    --------
    >>> a, b = np.array([1.0, 0.0, 1.0, 0.0]), np.zeros(4)
    >>> standard_error(a, b, users=np.arange(4))  # of a mean of four, with standard deviation one half
    0.25
    >>> round(standard_error(a, b, users=np.array([0, 1, 0, 1])), 4)  # two users of two queries each
    0.3536
    """
    if not len(users):
        return np.inf
    off = (a - b) - np.mean(a - b)
    return float(np.sqrt((np.bincount(users, weights=off) ** 2).sum()) / len(users))


def _ratio(sums: npt.NDArray[Any], queries: npt.NDArray[Any], axis: int = -1) -> Any:
    """Mean over queries, from sums over the queries of each user."""
    return sums.sum(axis=axis) / queries.sum(axis=axis)

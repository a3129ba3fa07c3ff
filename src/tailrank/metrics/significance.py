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
    chosen = np.ones(len(users), dtype=bool) if rows is None else rows
    return ratio_bootstrap((a - b)[chosen], np.ones(chosen.sum()), users[chosen], resamples, seed)


def ratio_bootstrap(
    a: Doubles, b: Doubles, users: Codes, resamples: int = 1000, seed: int = 0
) -> Difference | None:
    """Bound sum(a) / sum(b) by resampling users, with all of their queries, with replacement.

    Parameters
    ----------
    a, b
        Values of each query, shape (queries,).
    users
        User code of each query, shape (queries,).
    resamples
        Number of bootstrap samples.
    seed
        Seed of the draws.

    Returns
    -------
    Difference | None
        The ratio and its interval; None if fewer than two users have a query, or `b` may add up to 0.
    """
    from scipy.stats import bootstrap  # half a second, which no other command should wait for

    user = np.unique(users, return_inverse=True)[1]
    sums, below = np.bincount(user, weights=a), np.bincount(user, weights=b)
    if len(sums) < 2:
        return None
    with np.errstate(invalid="ignore"):
        drawn = bootstrap(
            (sums, below),
            _ratio,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            batch=max(1, DRAWS_AT_ONCE // len(sums)),
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    found = (float(_ratio(sums, below)), *map(float, drawn.confidence_interval))
    return Difference(*found) if np.isfinite(found).all() else None


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


def _ratio(sums: npt.NDArray[Any], below: npt.NDArray[Any], axis: int = -1) -> Any:
    """Ratio of two sums, from those of each user; infinite if there is nothing to divide by."""
    total = below.sum(axis=axis)
    return np.divide(sums.sum(axis=axis), total, out=np.full(np.shape(total), np.inf), where=total != 0)

"""A value that was estimated from a log, its interval, and the difference of two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles
from tailrank.errors import RequestError

NORMAL: Final = 1.959963984540054
"""The 97.5% quantile of the normal distribution: intervals are of 95%."""


@dataclass(frozen=True)
class Estimate:
    """What a log says of a value.

    Attributes
    ----------
    value
        The estimate, in units of the reward.
    low, high
        Ends of its 95% interval.
    effective_size
        How many rows of equal weights would say as much: (sum of weights)² / sum of squared weights (Kish,
        "Survey sampling", 1965).
    n
        Rows of the log.
    influence
        By how much each user (each row, if users aren't known) moves the estimate, times the number of them,
        shape (users,); the mean is 0.
    """

    value: float
    low: float
    high: float
    effective_size: float
    n: int
    influence: Doubles = field(repr=False, compare=False)

    @classmethod
    def from_influence(
        cls, value: float, influence: Doubles, effective_size: float, users: Codes | None = None
    ) -> Self:
        """Bound a value by how much each row moves it.

        The value is taken for a mean of the influences of independent users, as its linearisation says. Their
        skewness, which is large if few rows have a reward or a large weight, is removed by the cubic
        transformation of Hall ("On the removal of skewness by transformation", JRSS B, 1992).

        Parameters
        ----------
        value
            The estimate.
        influence
            Of each row, shape (n,), with mean 0.
        effective_size
            As above.
        users
            User code of each row, shape (n,); rows of one user stay together. None: each row is a user.

        Raises
        ------
        RequestError
            If there are fewer than two users, as nothing varies then.
        """
        summed = by_user(influence, users)
        low, high = _interval(value, summed)
        return cls(value, low, high, effective_size, len(influence), summed)

    def minus(self, other: Estimate) -> Estimate:
        """Bound the difference to another estimate from the same rows; what moves both cancels out.

        Raises
        ------
        RequestError
            If it is of another number of rows or users.

        Examples
        --------
        >>> from tailrank.metrics.off_policy import ips, on_policy
        >>> rewards, chance = np.array([1.0, 0.0, 1.0, 0.0] * 25), np.array([0.5, 0.5, 0.25, 0.25] * 25)
        >>> target = np.array([0.5, 0.5, 0.3, 0.2] * 25)
        >>> gain = ips(rewards, chance, target).minus(on_policy(rewards))
        >>> round(gain.value, 3), gain.low > 0
        (0.05, True)
        """
        if (self.n, len(self.influence)) != (other.n, len(other.influence)):
            raise RequestError(
                f"estimates from {self.n} and {other.n} rows, of {len(self.influence)} and "
                f"{len(other.influence)} users, can't be subtracted: make both from the same rows"
            )
        value, influence = self.value - other.value, self.influence - other.influence
        size = min(self.effective_size, other.effective_size)
        return Estimate(value, *_interval(value, influence), size, self.n, influence)


def effective_size(weights: Doubles) -> float:
    """Count the rows of equal weights that would say as much as these, shape (n,): Kish's effective size.

    Examples
    --------
    >>> effective_size(np.ones(8)), effective_size(np.array([8.0, 0.0, 0.0]))
    (8.0, 1.0)
    """
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def by_user(influence: Doubles, users: Codes | None) -> Doubles:
    """Sum up the influence of each user's rows, so that its mean over users moves the value as before.

    Parameters
    ----------
    influence
        Of each row, shape (n,).
    users
        User code of each row, shape (n,); None: each row is a user.

    Raises
    ------
    RequestError
        If there are fewer than two users, as nothing varies then.
    """
    if users is not None:
        code = np.unique(users, return_inverse=True)[1]
        sums = np.bincount(code, weights=influence).astype(np.float64)
        influence = sums * (len(sums) / len(influence))
    if len(influence) < 2:
        raise RequestError(f"an interval needs rows of two users at least, not of {len(influence)}")
    return influence


def standard_error(influence: Doubles) -> float:
    """Estimate the standard error of a value from the influence of each user, shape (users,)."""
    n = len(influence)
    return float(np.sqrt(influence @ influence / (n * (n - 1))))


def _interval(value: float, influence: Doubles) -> tuple[float, float]:
    """Give the ends of the 95% interval; the value itself if nothing moves it."""
    error, squares = standard_error(influence), influence**2
    if not error:
        return value, value
    skewness = float(np.mean(squares * influence)) / float(np.mean(squares)) ** 1.5
    slope = skewness / math.sqrt(len(influence))
    return value - error * _skewed(NORMAL, slope), value - error * _skewed(-NORMAL, slope)


def _skewed(quantile: float, slope: float) -> float:
    """Turn a normal quantile into one of a mean with skewness: (3 / a) ((1 + a (z - a / 6))^(1/3) - 1).

    Written without the division by a, which may be 0.
    """
    shifted = quantile - slope / 6
    root = float(np.cbrt(1 + slope * shifted))
    return 3 * shifted / (root**2 + root + 1)

"""Intervals and tests that hold however often one looks, and whenever one stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Seconds
from tailrank.metrics.significance import Difference

LEAST_SUPPORT: Final = 50
"""Users that the variance of a mean must rest on before its interval is more than everything."""

ROUNDING: Final = 1e-24
"""Sums of squares below this share of what they came from are rounding errors."""

CONCENTRATION: Final = 1000
"""Users that the prior of `sample_ratio` is worth: two arms may be off by 1.6 percentage points (one sd)."""


@dataclass(frozen=True)
class UserMean:
    """A mean over rows whose users are drawn at random, and not they.

    Attributes
    ----------
    value
        Mean over rows; NaN without any.
    variance
        Of that mean, by linearisation over users (Cochran, "Sampling techniques", 1977, section 6.4).
    rows
        How many there are.
    independent_rows
        How many rows, each of another user, would have that variance (Kish, "Survey sampling", 1965,
        section 8.2).
    support
        How many users the variance rests on: all of them if each contributes the same, as many as have a
        click if few have one. It is the inverse of the relative variance of the variance, nearly.
    """

    value: float
    variance: float
    rows: int
    independent_rows: float
    support: float

    @classmethod
    def of(cls, values: Doubles, users: Codes) -> Self:
        """Take the mean of values, shape (rows,), of users with these codes, shape (rows,).

        Examples
        --------
        >>> found = UserMean.of(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0, 0, 1, 2]))
        >>> found.value, found.rows, found.support
        (0.5, 4, 2.0)
        """
        rows, value = len(values), float(np.mean(values)) if len(values) else np.nan
        off = values - value
        squares = np.bincount(users, weights=off) ** 2
        total, alone = float(squares.sum()), float((off**2).sum())
        n = np.count_nonzero(np.bincount(users))  # many times as fast as `np.unique`
        if n < 2 or total <= ROUNDING * float((values**2).sum()):
            return cls(value, 0.0, rows, float(rows), 0.0)
        variance = total / rows**2 * n / (n - 1)
        return cls(value, variance, rows, alone / (rows - 1) / variance, total**2 / float((squares**2).sum()))

    @classmethod
    def bounded(cls, values: Doubles, users: Codes) -> Self:
        """Do the same for values between -1 and 1 without estimating their variance, which is at most 1.

        So an interval is an interval as soon as there is one user, and wider than by an estimate: the values
        of a user count as all equal, and the mean of each as -1 or 1 (Hoeffding, "Probability inequalities
        for sums of bounded random variables", JASA 1963).

        Examples
        --------
        >>> found = UserMean.bounded(np.ones(4), np.array([0, 0, 1, 2]))
        >>> found.value, found.variance, found.support
        (1.0, 0.375, inf)
        """
        rows, squares = len(values), float((np.bincount(users).astype(np.float64) ** 2).sum())
        if not rows:
            return cls(np.nan, 0.0, 0, 0.0, 0.0)
        return cls(float(np.mean(values)), squares / rows**2, rows, rows**2 / squares, np.inf)

    def __sub__(self, other: UserMean) -> UserMean:
        """Subtract the mean of other users.

        The support is that of the difference (Welch, "The generalization of Student's problem", Biometrika
        1947), as far as the smaller group has its share of it: many clicks say something even if all are in
        one of two groups, unless the other is too small to have had some.

        Examples
        --------
        >>> clicks, users = np.array([1.0, 0.0] * 100), np.arange(200)
        >>> some, none = UserMean.of(clicks, users), UserMean.of(0 * clicks, users)
        >>> round((some - some).support), round((some - none).support)
        (200, 100)
        """
        groups, rows = (self, other), self.rows + other.rows
        variance = self.variance + other.variance
        if not variance:
            return UserMean(self.value - other.value, 0.0, rows, float(rows), 0.0)
        varying = [group for group in groups if group.variance]
        support = variance**2 / sum(group.variance**2 / group.support for group in varying)
        alone = sum(group.variance * group.independent_rows / group.rows for group in varying)
        share = min(group.rows for group in groups) / rows
        return UserMean(self.value - other.value, variance, rows, rows * alone / variance, share * support)


def always_valid(mean: UserMean, *, alpha: float, tightest: float) -> Difference:
    """Bound a mean, or a difference of two, by an asymptotic confidence sequence.

    With probability 1 - `alpha`, the intervals at all looks hold the true mean, all at once (Waudby-Smith,
    Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences", Annals of Statistics 2024, theorem 2.2): the mixture test of Johari, Koomen, Pekelis and
    Walsh ("Always valid inference", Operations Research 2022), turned round, with an estimated variance. Its
    clock is information, in rows each of another user, so that users may come back.

    Parameters
    ----------
    mean
        Of all rows up to now.
    alpha
        How often the true mean may lie outside at some look.
    tightest
        After how many rows of different users the interval is as narrow as it can be, by its variance.

    Returns
    -------
    Difference
        From minus to plus infinity while the mean's support is below `LEAST_SUPPORT`.

    Examples
    --------
    >>> wins = np.repeat([1.0, -1.0], [600, 400])
    >>> found = always_valid(UserMean.of(wins, np.arange(1000)), alpha=0.05, tightest=1000)
    >>> print(f"{found.mean:.2f}, {found.low:.3f} to {found.high:.3f}")
    0.20, 0.106 to 0.294
    """
    if mean.support < LEAST_SUPPORT:
        return Difference(mean.value, -np.inf, np.inf)
    reach = np.sqrt(mean.variance) * standard_errors(mean.independent_rows, alpha=alpha, tightest=tightest)
    return Difference(mean.value, mean.value - reach, mean.value + reach)


def standard_errors(rows: float, *, alpha: float, tightest: float) -> float:
    """Count the standard errors that an always-valid interval reaches to each side.

    Robbins' normal mixture boundary (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
    nonasymptotic confidence sequences", Annals of Statistics 2021, equation 14), with the mixture that makes
    it lowest at `tightest`.

    Examples
    --------
    >>> [round(standard_errors(rows, alpha=0.05, tightest=1000), 2) for rows in (100, 1000, 10_000)]
    [3.82, 3.04, 3.25]
    """
    from scipy.special import lambertw  # a tenth of a second, which other commands needn't wait for

    best = -float(lambertw(-(alpha**2) / np.e, k=-1).real)  # that of (rows + prior) / prior
    prior = tightest / (best - 1)
    return float(np.sqrt((rows + prior) / rows * np.log((rows + prior) / (prior * alpha**2))))


def sample_ratio(arms: Codes, weights: Doubles, times: Seconds | None = None) -> float:
    """Test whether users were split as planned, at all times at once.

    The Dirichlet-multinomial test of Lindon and Malek ("Anytime-valid inference for multinomial count data",
    NeurIPS 2022), with a prior around the plan that is worth `CONCENTRATION` users.

    Parameters
    ----------
    arms
        Codes of the arms that users were given, in the order in which they came, shape (users,).
    weights
        Planned shares of the arms, up to a factor; shape (arms,).
    times
        When users came, ascending, shape (users,): those who came at the same time, as on one day, have no
        order and count together. None: one after the other.

    Returns
    -------
    float
        The always-valid p-value: below 0.001 with probability 0.001, at most, if the plan was followed.

    Examples
    --------
    >>> fair, lopsided = np.arange(10_000) % 2, (np.arange(10_000) % 20 < 9).astype(int)
    >>> sample_ratio(fair, np.ones(2)), sample_ratio(lopsided, np.ones(2)) < 1e-9
    (1.0, True)
    """
    from scipy.special import gammaln

    planned = weights / weights.sum()
    prior, arm = CONCENTRATION * planned, np.arange(len(weights))
    counts = np.cumsum(arms[:, None] == arm, axis=0)
    total = counts.sum(axis=1)
    evidence = (gammaln(prior + counts) - gammaln(prior) - counts * np.log(planned)).sum(axis=1)
    evidence -= gammaln(CONCENTRATION + total) - gammaln(CONCENTRATION)
    if times is not None:
        evidence = evidence[np.append(times[1:] > times[:-1], True)[: len(times)]]
    return float(np.exp(-max(0.0, evidence.max(initial=0.0))))

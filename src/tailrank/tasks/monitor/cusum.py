r"""CUSUM of likelihood ratios: how much evidence there is for a surge, and how much would be chance.

.. math:: C_t = \max(0, C_{t-1} + \log f_1(y_t) - \log f_0(y_t))

For counts as Höhle and Paul (2008, "Count data regression charts for the monitoring of surveillance time
series") have it; the idea for Poisson counts is that of Lucas (1985). The threshold is simulated: from counts
with the scatter of the series, whose surplus stays from period to period as it does there, and whose true
mean is as uncertain as its estimate. Without all that, exp(threshold) periods would be a lower bound for the
average time to a false alarm (Lorden, 1971). What is rarer than the simulation sees goes on as it falls
there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from scipy import stats

from tailrank.arrays import Doubles, Offsets

PATHS: Final = 128
PERIODS: Final = 672
"""Simulated paths, and periods of each."""

GRID: Final = 1_024
"""Points of a quantile function."""

SEED: Final = 20_080

LARGEST_ERROR: Final = 0.5
"""Standard deviation of the logarithm of an estimate: shrinkage allows no more."""

FEWEST: Final = 1e-3
"""A mean below is taken for it: nothing is impossible."""

LEAST: Final = 10, 100
"""Excursions that say how fast their tops get rarer."""


def volume_scores(counts: Offsets | Doubles, mean: Doubles, dispersion: float, surge: float) -> Doubles:
    """Give the log-likelihood ratio of counts: `surge` times the mean against the mean.

    Examples
    --------
    >>> volume_scores(np.array([0, 10, 30]), np.full(3, 10.0), 1e-9, 2.0).round(2).tolist()
    [-10.0, -3.07, 10.79]
    """
    usual, much = 1 + dispersion * mean, 1 + dispersion * surge * mean
    scores: Doubles = counts * np.log(surge * usual / much) + np.log(usual / much) / dispersion
    return scores


def share_scores(
    negative: Offsets | Doubles, n: Offsets | Doubles, share: Doubles | float, excess: float, surge: float
) -> Doubles:
    """Give the log-likelihood ratio of shares: `surge` times the odds against the odds.

    Parameters
    ----------
    negative, n
        Negative texts, and all, by period.
    share
        Expected.
    excess
        Correlation of two texts of one period, by which n texts tell as much as n / (1 + (n - 1) excess).
    surge
        Times the odds.
    """
    raised = surge * share / (1 - share + surge * share)
    scores = negative * np.log(raised / share) + (n - negative) * np.log((1 - raised) / (1 - share))
    told: Doubles = scores / (1 + np.maximum(np.asarray(n) - 1, 0) * excess)
    return told


@lru_cache(4_096)
def volume_threshold(
    mean: float,
    dispersion: float,
    correlation: float,
    surge: float,
    alarms_per_period: float,
    known: float = np.inf,
    cycle: int = 24,
    memory: float = np.inf,
) -> float:
    """Simulate the threshold of counts.

    Parameters
    ----------
    mean, dispersion, correlation
        Of the series.
    surge
        As for `volume_scores`.
    alarms_per_period
        False alarms to allow.
    known, cycle, memory
        Periods that it was learned from, those that have a factor each, and those that the level remembers.
    """
    rng = np.random.default_rng(SEED)
    surplus = _gamma(_noise(rng, correlation), dispersion)
    stays = (1 + correlation) / (1 - correlation)
    variance = 1 / max(mean, FEWEST) + dispersion
    level = (1 / max(mean, FEWEST) + dispersion * stays) / min(known, memory)
    errors = _errors(rng, level, 1), _errors(rng, variance * cycle / known, cycle)
    counts = rng.poisson(mean * errors[0] * errors[1] * surplus)
    return _threshold(volume_scores(counts, np.array(mean), dispersion, surge), alarms_per_period)


@lru_cache(4_096)
def share_threshold(
    mean: float, dispersion: float, share: float, excess: float, surge: float, alarms_per_period: float
) -> float:
    """Simulate the threshold of shares: texts scatter as counts do, and their share as a beta.

    Parameters
    ----------
    mean, dispersion
        Of the number of texts.
    share, excess, surge
        As for `share_scores`.
    alarms_per_period
        False alarms to allow.
    """
    rng = np.random.default_rng(SEED)
    n = rng.poisson(mean * _gamma(_noise(rng, 0.0), dispersion))
    size = 1 / max(excess, 1e-6) - 1
    chances = rng.beta(share * size, (1 - share) * size, n.shape)
    return _threshold(share_scores(rng.binomial(n, chances), n, share, excess, surge), alarms_per_period)


def rounded(value: float, steps: int = 2) -> float:
    """Round up to steps of a doubling, so that similar series share a threshold.

    Examples
    --------
    >>> rounded(11.5) == rounded(15.9), rounded(0.0)
    (True, 0.0)
    """
    return 0.0 if value <= 0 else float(2 ** (np.ceil(steps * np.log2(value)) / steps))


def _noise(rng: np.random.Generator, correlation: float) -> Doubles:
    """Draw normal noise in which each period has so much in common with the one before."""
    fresh = rng.standard_normal((PATHS, PERIODS))
    if correlation:
        fresh[:, 1:] *= np.sqrt(1 - correlation**2)
        for at in range(1, PERIODS):
            fresh[:, at] += correlation * fresh[:, at - 1]
    return fresh


def _gamma(noise: Doubles, dispersion: float) -> Doubles:
    """Turn normal noise into a surplus of mean one and variance `dispersion`."""
    grid = np.linspace(-5.5, 5.5, GRID)
    values = stats.gamma(1 / dispersion, scale=dispersion).ppf(stats.norm.cdf(grid))
    return np.interp(noise, grid, values)


def _errors(rng: np.random.Generator, variance: float, cycle: int) -> Doubles:
    """Draw factors by which estimates may be wrong, the same after a cycle, shape (paths, periods)."""
    factors = np.exp(min(np.sqrt(variance), LARGEST_ERROR) * rng.standard_normal((PATHS, cycle)))
    errors: Doubles = np.tile(factors, PERIODS // cycle)
    return errors


def _threshold(scores: Doubles, alarms_per_period: float) -> float:
    """Find what so few excursions of the sum exceed."""
    tops = _tops(scores)
    rates = np.arange(1, len(tops) + 1) / scores.size
    few, many = LEAST
    if len(tops) > few and rates[few - 1] <= alarms_per_period:
        return float(np.interp(np.log(alarms_per_period), np.log(rates), tops))
    if len(tops) <= many:
        return float(-np.log(alarms_per_period))
    fall = (tops[few - 1] - tops[many - 1]) / np.log(many / few)
    return float(tops[few - 1] + max(fall, 1.0) * np.log(rates[few - 1] / alarms_per_period))


def _tops(scores: Doubles) -> Doubles:
    """List the highest points between two zeros of the sums of all paths, the highest first."""
    total, top, tops = np.zeros(len(scores)), np.zeros(len(scores)), []
    for column in scores.T:
        total = np.maximum(total + column, 0)
        over = (total == 0) & (top > 0)
        tops.append(top[over])
        top = np.where(total == 0, 0, np.maximum(top, total))
    found: Doubles = np.sort(np.concatenate([*tops, top[top > 0]]))[::-1]
    return found

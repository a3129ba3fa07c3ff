"""What a series should be in a period: level times hour of day times day of week, and its scatter.

Factors are ratios of counts, shrunk towards those of the whole stream (and these towards one) by how little
the series knows of them, so that an hour that was empty so far isn't expected to stay empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Doubles, Offsets
from tailrank.tasks.monitor.settings import DAY, HOUR

HOURS: Final = 24
DAYS: Final = 7

HALF_LIFE: Final = 7 * DAY
"""Seconds after which a period counts half for the level."""

ROUNDS: Final = 8
"""Of fitting hours, days and scatter in turn."""

SPREAD: Final = 0.25, 0.05
"""Variance of the logarithm of factors about their prior: of the stream about one, of a series about that."""

CAP: Final = 3.0
"""A count further above its expectation, in standard deviations, counts as if it were there."""

PRIOR_DISPERSION: Final = 0.05
PRIOR_PERIODS: Final = 24.0
"""What is thought of scatter at first, and the number of periods that this thought is worth."""

MAX_CORRELATION: Final = 0.9


@dataclass(frozen=True)
class Expectation:
    """What counts of a series are made of.

    Attributes
    ----------
    level
        Texts of a period, if its factors are one.
    hours, days
        Factors by hour of day and day of week (Monday first), shapes (24,) and (7,).
    dispersion
        The variance of a count is mean + dispersion * mean² (negative binomial).
    correlation
        Of what is scattered beyond chance, between neighbouring periods.
    """

    level: float
    hours: Doubles
    days: Doubles
    dispersion: float
    correlation: float

    @classmethod
    def flat(cls) -> Self:
        """Expect nothing in particular."""
        return cls(0.0, np.ones(HOURS), np.ones(DAYS), PRIOR_DISPERSION, 0.0)

    def factors(self, starts: Offsets) -> Doubles:
        """Give the factors of periods that start at these times, in seconds since 1970."""
        product: Doubles = self.hours[starts % DAY // HOUR] * self.days[weekdays(starts)]
        return product

    def at(self, starts: Offsets) -> Doubles:
        """Give expected counts of periods that start at these times, in seconds since 1970."""
        return self.level * self.factors(starts)

    def with_level(self, counts: Offsets, starts: Offsets, used: Bools) -> Self:
        """Follow the level: recent periods count more, and what is far too much only as far as `CAP`.

        Parameters
        ----------
        counts, starts, used
            As for `fit_expectation`.
        """
        if not used.any():
            return self
        factors, at = self.factors(starts[used]), starts[used]
        weights = 0.5 ** ((at[-1] - at) / HALF_LIFE)
        level, kept = self.level, counts[used].astype(float)
        for _ in range(2):
            if level:
                mean = level * factors
                kept = np.minimum(kept, mean + CAP * np.sqrt(mean + self.dispersion * mean**2) + 1)
            level = float((weights @ kept + 0.5) / (weights @ factors + 1.0))
        return replace(self, level=level)


def weekdays(starts: Offsets) -> Offsets:
    """Give days of the week, Monday is 0: the first of 1970 was a Thursday."""
    days: Offsets = (starts // DAY + 3) % DAYS
    return days


def fit_expectation(
    counts: Offsets, starts: Offsets, used: Bools, hourly: bool, prior: Expectation | None = None
) -> Expectation:
    """Fit factors, level and scatter to the past of a series.

    Parameters
    ----------
    counts, starts
        Of past periods, the oldest first, shape (periods,); starts in seconds since 1970.
    used
        Which of them are as usual.
    hourly
        Whether periods are hours; days have no hours of day.
    prior
        The expectation of the whole stream; None if this is it.
    """
    spread, found = SPREAD[prior is not None], Expectation.flat() if prior is None else prior
    found = replace(found, dispersion=PRIOR_DISPERSION, correlation=0.0)
    y, at = counts[used].astype(float), starts[used]
    if not len(y):
        return found
    hour, day = at % DAY // HOUR, weekdays(at)
    towards = found
    for _ in range(ROUNDS):
        found = found.with_level(counts, starts, used)
        mean = found.at(at)
        capped = np.minimum(y, mean + CAP * np.sqrt(mean + found.dispersion * mean**2) + 1)
        hours = found.hours
        if hourly:
            hours = _shrunk(capped, found.level * found.days[day], hour, towards.hours, spread, found)
        days = _shrunk(capped, found.level * hours[hour], day, towards.days, spread, found)
        found = replace(found, hours=hours, days=days)
        found = replace(found, dispersion=_dispersion(capped, found.at(at), hourly))
    found = found.with_level(counts, starts, used)
    return replace(found, correlation=_correlation(y, found.at(at), at, found.dispersion))


def _shrunk(
    y: Doubles, mean: Doubles, group: Offsets, towards: Doubles, spread: float, found: Expectation
) -> Doubles:
    """Give factors of groups: ratios, each as far from its prior as it is known, of mean one."""
    size = len(towards)
    seen, expected = np.bincount(group, y, size), np.bincount(group, mean, size)
    periods = np.bincount(group, minlength=size)
    ratio = np.divide(seen, expected, out=towards.copy(), where=expected > 0)
    # Days of one weekday share what is special of that day, so each counts about as one period.
    clusters = (
        periods if size == HOURS else np.maximum(periods / HOURS if periods.max() > DAYS else periods, 1)
    )
    noise = 1 / np.maximum(expected, 1e-9) + (found.dispersion + 0.01) / np.maximum(clusters, 1e-9)
    share = spread / (spread + noise)
    factors = share * ratio + (1 - share) * towards
    scaled: Doubles = factors / factors.mean()
    return scaled


def _dispersion(y: Doubles, mean: Doubles, hourly: bool) -> float:
    """Estimate dispersion by moments, beside what is thought at first."""
    lost = min((HOURS if hourly else 0) + DAYS, len(y) // 2)
    left = len(y) / max(len(y) - lost, 1)
    over, square = left * float(((y - mean) ** 2).sum()) - float(mean.sum()), float((mean**2).sum())
    own = square / max(float(mean.mean()) ** 2, 1e-12)  # periods, as far as they tell of dispersion
    weight = PRIOR_PERIODS / (PRIOR_PERIODS + own)
    return max(weight * PRIOR_DISPERSION + (1 - weight) * over / max(square, 1e-12), 1e-4)


def _correlation(y: Doubles, mean: Doubles, at: Offsets, dispersion: float) -> float:
    """Estimate how much of what is scattered beyond chance stays from one period to the next."""
    if len(y) < HOURS:
        return 0.0
    next_to = np.diff(at) == np.diff(at).min()
    rest = y - np.minimum(mean, y.max())
    together = float((rest[1:] * rest[:-1])[next_to].sum())
    most = dispersion * float((mean[1:] * mean[:-1])[next_to].sum())
    return float(np.clip(together / max(most, 1e-12), 0.0, MAX_CORRELATION))

"""Whether as many events come as at such hours of the weeks before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Doubles, Offsets, Seconds
from tailrank.feedback.alerts import Alert, Alerts

CHANCE: Final = 1e-4
"""Chance at which the number of events of an hour would be called a shift by mistake."""

HOUR: Final = 3600.0
WEEK: Final = 168
"""Hours in it."""

WEEKS: Final = 4
"""Weeks before an hour that say what is usual."""

KEPT: Final = 12 * WEEK
"""Hours whose events stay counted."""

LATE: Final = 300.0
"""Seconds after an hour in which its last events may come."""


def volume_shifts(times: Seconds, until: float | None = None) -> list[Alert]:
    """Find hours with far more or fewer events than such hours have.

    What is usual is the median of the same hour of the week, and of the hours beside it, in the four weeks
    before. An hour is called if chance would give less than one in 10,000 so few or so many, by two measures:
    Poisson counts about what is usual; and the log's own hours, whose tails of log((seen + 1) / (usual + 1))
    go on beyond their outer hundredth as they fell from the tenth to there.

    Parameters
    ----------
    times
        Seconds since 1970, in any order, shape (events,).
    until
        When the log ends: hours after the latest event count as empty; by default there are none.

    Returns
    -------
    list[Alert]
        Neighbouring hours as one. Empty if the log is of less than four weeks and an hour.
    """
    hours = (np.asarray(times) // HOUR).astype(np.int64)
    if not len(hours):
        return []
    first = int(hours.min())
    last = int(hours.max() if until is None else until // HOUR)  # not yet over
    return _shifts(np.bincount(hours[hours < last] - first, minlength=last - first), first)


class EventVolume:
    """Counts events by their hour as they come, and judges each hour when it is over, as `volume_shifts`.

    Parameters
    ----------
    alerts
        Where an hour is opened that isn't as usual, and closed when one is.
    counts
        Events by hour since 1970, of before.
    """

    kind: Final = "events an hour"

    def __init__(self, alerts: Alerts, counts: Mapping[int, int] | None = None) -> None:
        self.counts = Counter(counts)
        self._alerts, self._until = alerts, 0

    def add(self, at: float) -> None:
        """Count an event, by when it happened, in seconds since 1970."""
        self.counts[int(at // HOUR)] += 1

    @property
    def judged(self) -> dict[int, int]:
        """Events by hour since 1970, of the hours that were judged."""
        return {hour: n for hour, n in self.counts.items() if hour < self._until}

    def look(self, now: float) -> bool:
        """Judge the hours that are over by a time; returns whether one more is, since the last time."""
        until = int((now - LATE) // HOUR)
        if until <= self._until:
            return False
        self._until = until
        self.counts = Counter({hour: n for hour, n in self.counts.items() if hour >= until - KEPT})
        first = min(self.counts, default=until)
        shifts = _shifts(np.array([self.counts[hour] for hour in range(first, until)], np.int64), first)
        if shifts and shifts[-1].until is None:
            self._alerts.open(shifts[-1])
        else:
            self._alerts.close(self.kind, "", (until - 1) * HOUR)
        return True


def _shifts(counts: Offsets, first: int) -> list[Alert]:
    """Find the hours that aren't as usual, of all from one on, in hours since 1970."""
    span = WEEKS * WEEK + 1
    if len(counts) <= span:
        return []
    usual = _usual(counts, span)
    rest = counts[span:]
    return _alerts(rest, usual, _unlikely(rest, usual), (first + span) * HOUR)


def _usual(counts: Offsets, span: int) -> Doubles:
    """Give the median of hours like each one, from hour `span` on."""
    lags = [week * WEEK + beside for week in range(1, WEEKS + 1) for beside in (-1, 0, 1)]
    alike = [counts[span - lag : len(counts) - lag] for lag in lags]
    return np.median(np.stack(alike), axis=0)


def _unlikely(counts: Offsets, usual: Doubles) -> Bools:
    """Whether so many or so few events have a chance below `CHANCE`, by either measure."""
    from scipy.special import gammainc, gammaincc  # a third of a second, which no start should wait for

    mean = np.maximum(usual, 0.5)
    rare: Bools = np.minimum(gammaincc(counts + 1, mean), gammainc(counts, mean)) < CHANCE  # Poisson's tails
    ratios = np.log((counts + 1) / (usual + 1))
    lowest, low, high, highest = np.quantile(ratios, [0.01, 0.1, 0.9, 0.99])
    times = np.log10(0.1 / CHANCE)
    called: Bools = rare & (
        (ratios < low - times * (low - lowest)) | (ratios > high + times * (highest - high))
    )
    return called


def _alerts(counts: Offsets, usual: Doubles, wrong: Bools, start: float) -> list[Alert]:
    """Make one alert of each run of hours that are all too busy, or all too quiet."""
    signs = np.where(wrong, np.sign(counts - usual), 0).astype(np.int64)
    edges = np.flatnonzero(np.diff(signs, prepend=0, append=0))
    alerts = []
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if not signs[begin]:
            continue
        remedy = (
            "Does whatever sends events still run?"
            if signs[begin] < 0
            else "Look for programs: tailrank anomalies."
        )
        seen, expected = float(counts[begin:end].mean()), float(usual[begin:end].mean())
        until = None if end == len(counts) else start + end * HOUR
        alerts.append(Alert(EventVolume.kind, "", start + begin * HOUR, seen, expected, remedy, until))
    return alerts

"""Whether what happens is still what it was: click rates, the number of events, the values of signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from scipy.stats import chi2, poisson

from tailrank.arrays import Bools, Doubles, Floats, Offsets, Seconds
from tailrank.errors import RequestError, needs
from tailrank.feedback.alerts import Alert, Alerts

CONFIDENCE: Final = 0.002
"""Chance of a false alarm that ADWIN allows itself at each check; its bound is loose, so there are fewer."""

SHIFTED: Final = 0.25
"""Population stability index from which on a distribution is another one, by the custom of credit scoring."""

BINS: Final = 10
CHANCE: Final = 1e-4
"""Chance at which an index, or the number of events of an hour, would be called a shift by mistake."""

HOUR: Final = 3600.0
WEEK: Final = 168
"""Hours in it."""

WEEKS: Final = 4
"""Weeks before an hour that say what is usual."""


class ClickRates:
    """Watches click rates, one for each subject, for changes that chance doesn't explain.

    ADWIN (Bifet and Gavaldà, SDM, 2007) keeps as many of the latest outcomes as have one mean.

    Parameters
    ----------
    alerts
        Where a change is opened, and closed when the rate has come back more than half of the way.

    Raises
    ------
    RequestError
        If river isn't installed.
    """

    kind: Final = "click rate"

    def __init__(self, alerts: Alerts) -> None:
        with needs("watching click rates", "feedback"):
            from river.drift import ADWIN
        self._alerts = alerts
        self._new: Callable[..., Any] = ADWIN
        self._rates: dict[str, Any] = {}
        self._changed: dict[str, Alert] = {}

    def update(self, subject: str, clicked: bool, at: float) -> Alert | None:
        """Take what became of one item that was shown.

        Parameters
        ----------
        subject
            What the rate is of, such as a count bucket.
        clicked
            Whether it was clicked.
        at
            When, in seconds since 1970.

        Returns
        -------
        Alert | None
            What changed just now.
        """
        rate = self._rates.get(subject)
        if rate is None:
            rate = self._rates[subject] = self._new(delta=CONFIDENCE)
        before = rate.estimation
        rate.update(clicked)
        earlier = self._changed.get(subject)
        if earlier is not None and _is_back(earlier, rate.estimation):
            self._alerts.close(self.kind, subject, at)
            del self._changed[subject]
        elif rate.drift_detected:
            return self._changed_to(
                rate.estimation, before if earlier is None else earlier.expected, subject, at
            )
        return None

    def _changed_to(self, seen: float, expected: float, subject: str, at: float) -> Alert:
        fell = "Compare the model with the one before, and look at what is shown."
        rose = "If nothing was launched, look for programs: tailrank anomalies."
        alert = Alert(self.kind, subject, at, seen, expected, fell if seen < expected else rose)
        self._alerts.open(alert)
        self._changed[subject] = alert
        return alert


def _is_back(alert: Alert, rate: float) -> bool:
    """Whether a rate has come back more than half of the way."""
    return abs(rate - alert.expected) < abs(alert.seen - alert.expected) / 2


def stability_index(before: Floats | Doubles, now: Floats | Doubles) -> tuple[float, int]:
    """Measure how far a distribution has moved: its population stability index over tenths of what it was.

    The sum over bins of (q - p) log(q / p), p and q being the shares before and now with half an observation
    added to each bin. A value that fills more than a tenth has a bin of its own.

    Parameters
    ----------
    before, now
        Values in any order, shape (n,) and (m,).

    Returns
    -------
    tuple[float, int]
        The index, and the number of bins.

    Examples
    --------
    >>> same, moved = np.arange(1000.0), np.arange(1000.0) + 500
    >>> [round(stability_index(same, now)[0], 2) for now in (same, moved)]
    [0.0, 3.53]
    """
    tenths, times = np.unique(np.quantile(before, np.arange(1, BINS) / BINS), return_counts=True)
    edges = np.sort(np.concatenate([tenths, np.nextafter(tenths[times > 1], np.inf)]))
    counts = [
        np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1)
        for values in (before, now)
    ]
    p, q = ((each + 0.5) / (each.sum() + len(each) / 2) for each in counts)
    return float((q - p) @ np.log(q / p)), len(edges) + 1


def distribution_shifts(
    before: Mapping[str, Floats | Doubles], now: Mapping[str, Floats | Doubles], at: float
) -> list[Alert]:
    """Compare the values of signals with what they were.

    A shift is an index above 0.25 that chance doesn't explain: for samples of n and m values from one
    distribution it is about (1/n + 1/m) chi2 (Yurdakul and Naranjo, J. Risk Model Validation, 2020).

    Parameters
    ----------
    before, now
        Values by signal, or by signal and count bucket; of any shape.
    at
        When, in seconds since 1970.

    Raises
    ------
    RequestError
        If the names differ, or one has no values or some that are no numbers.
    """
    if before.keys() != now.keys():
        odd = ", ".join(sorted(before.keys() ^ now.keys()))
        raise RequestError(f"signals differ: {odd}: compare what one and the same model computed")
    alerts = []
    for name, values in before.items():
        old, new = values.ravel(), now[name].ravel()
        if not (len(old) and len(new) and np.isfinite(old).all() and np.isfinite(new).all()):
            raise RequestError(f"signal {name}: give at least one value before and now, all finite")
        index, bins = stability_index(old, new)
        chance = (1 / len(old) + 1 / len(new)) * chi2.isf(CHANCE, bins - 1)
        limit = max(SHIFTED, float(chance))
        if index > limit:
            remedy = "Look at what fills it: new texts, another encoder, events that no longer arrive."
            alerts.append(Alert("distribution", name, at, index, limit, remedy))
    return alerts


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
    counts = np.bincount(hours[hours < last] - first, minlength=last - first)
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
    spread = poisson(np.maximum(usual, 0.5))
    rare: Bools = np.minimum(spread.cdf(counts), spread.sf(counts - 1)) < CHANCE
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
        alerts.append(Alert("events an hour", "", start + begin * HOUR, seen, expected, remedy, until))
    return alerts

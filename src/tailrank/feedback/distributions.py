"""Whether the values of signals are distributed as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.errors import RequestError
from tailrank.feedback.alerts import Alert, Alerts
from tailrank.feedback.records import ShownRecord
from tailrank.metrics.ranking import TOP

SHIFTED: Final = 0.25
"""Population stability index from which on a distribution is another one, by the custom of credit scoring."""

BINS: Final = 10
CHANCE: Final = 1e-4
"""Chance at which an index would be called a shift by mistake."""

WINDOW: Final = 1_000
"""Rankings that are compared with those before."""

KEPT: Final = 5_000
"""Of the rankings before, how many are kept, drawn evenly."""


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
    from scipy.special import chdtri  # a third of a second, which no start should wait for

    if before.keys() != now.keys():
        odd = ", ".join(sorted(before.keys() ^ now.keys()))
        raise RequestError(f"signals differ: {odd}: compare what one and the same model computed")
    alerts = []
    for name, values in before.items():
        old, new = values.ravel(), now[name].ravel()
        if not (len(old) and len(new) and np.isfinite(old).all() and np.isfinite(new).all()):
            raise RequestError(f"signal {name}: give at least one value before and now, all finite")
        index, bins = stability_index(old, new)
        chance = (1 / len(old) + 1 / len(new)) * chdtri(bins - 1, CHANCE)
        limit = max(SHIFTED, float(chance))
        if index > limit:
            remedy = "Look at what fills it: new texts, another encoder, events that no longer arrive."
            alerts.append(Alert(SignalValues.kind, name, at, index, limit, remedy))
    return alerts


class SignalValues:
    """Compares what signals say of the items shown with what they said before, of the model that came last.

    Of each ranking one item counts, since those of one list are alike: the first, then the second of the next
    ranking, and so on down to the tenth.

    Parameters
    ----------
    alerts
        Where a signal is opened whose distribution is another one, and closed when it is as it was.
    """

    kind: Final = "distribution"

    def __init__(self, alerts: Alerts) -> None:
        self._alerts, self._random = alerts, np.random.default_rng(0)
        self._models: tuple[str, ...] = ()
        """Those that had come before, and the one that is watched."""
        self._begin((), 0.0)

    def add(self, shown: ShownRecord) -> None:
        """Take a ranking, in the order in which they were shown."""
        if not shown.signal_names:
            return
        if shown.model not in self._models:
            self._models = (*self._models[-1:], shown.model)
            self._begin(shown.signal_names, shown.time)
        elif shown.model != self._models[-1]:
            return
        at = self._seen % min(TOP, len(shown.item_ids))
        values = np.frombuffer(shown.signals, "<f4").reshape(-1, len(self._names))[at]
        self._seen += 1
        if np.isfinite(values).all():
            self._now.append(values)
        if len(self._now) == WINDOW:
            self._compare(shown.time)

    def _begin(self, names: tuple[str, ...], at: float) -> None:
        self._names, self._seen, self._drawn = names, 0, 0
        self._before, self._now = list[Floats](), list[Floats]()
        for alert in self._alerts.opened:
            if alert.kind == self.kind:
                self._alerts.close(alert.kind, alert.subject, at)

    def _compare(self, at: float) -> None:
        now = dict(zip(self._names, np.array(self._now).T, strict=True))
        before = dict(zip(self._names, np.array(self._before).T, strict=True)) if self._before else now
        shifts = {alert.subject: alert for alert in distribution_shifts(before, now, at)}
        for name in self._names:
            if name in shifts:
                self._alerts.open(shifts[name])
            else:
                self._alerts.close(self.kind, name, at)
        if not shifts:
            self._keep()
        self._now = []

    def _keep(self) -> None:
        """Add what is as before to it: reservoir sampling (Vitter, ACM TOMS, 1985, algorithm R)."""
        for values in self._now:
            self._drawn += 1
            if len(self._before) < KEPT:
                self._before.append(values)
            elif (at := self._random.integers(self._drawn)) < KEPT:
                self._before[at] = values

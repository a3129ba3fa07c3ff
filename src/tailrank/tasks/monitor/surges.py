"""All series of a stream, period by period: counts in, surges out, a broad one only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tailrank.arrays import Offsets
from tailrank.tasks.monitor.detector import Detector, Surge, alarms_per_period, is_refitted
from tailrank.tasks.monitor.expectation import Expectation, fit_expectation
from tailrank.tasks.monitor.history import History
from tailrank.tasks.monitor.series import ALL, Series
from tailrank.tasks.monitor.settings import DAY, Kind, MonitorSettings

OUTAGE: Final = 5.0
"""Texts expected of the whole stream in a period; if none comes then, the stream is interrupted."""

SAME: Final = DAY
"""Seconds in which a surge of a topic or an entity spreads to narrower series: that is no news."""

Counts = Mapping[Series, tuple[int, int]]
"""Texts, and negative ones, of a period."""


@dataclass(frozen=True)
class Raised:
    """A surge of a series, and other series that surge with it."""

    series: Series
    surge: Surge
    also: tuple[Series, ...] = ()


@dataclass
class Watched:
    """What is known of a series."""

    history: History
    detectors: dict[Kind, Detector]


@dataclass
class Surges:
    """Watches all series.

    Attributes
    ----------
    settings
        How.
    series
        What is known of each.
    volume
        What is expected of the whole stream; an outage is told by it.
    starts
        Of the periods so far, as far as they are kept.
    first
        Start of the first period ever; None without one.
    """

    settings: MonitorSettings
    series: dict[Series, Watched] = field(default_factory=dict)
    volume: Expectation = field(default_factory=Expectation.flat)
    starts: Offsets = field(default_factory=lambda: np.zeros(0, np.int64))
    first: int | None = None

    def close(self, start: int, counts: Counts) -> list[Raised]:
        """Take the counts of a period that is over; periods come in order, without gaps.

        Parameters
        ----------
        start
            Of the period, in seconds since 1970.
        counts
            Of the series in which a text came.

        Returns
        -------
        list[Raised]
            What surges now and didn't before: of those that go together, the one that is most certain.
        """
        self.first = start if self.first is None else self.first
        if is_refitted(start, self.settings):
            self._forget_silent()
        for one in sorted({ALL, *counts} - self.series.keys()):
            detectors = {kind: Detector(kind, self.settings) for kind in self.settings.kinds}
            self.series[one] = Watched(History.empty(self.starts), detectors)
        is_burnt_in = start - self.first >= self.settings.burn_in_days * DAY
        if is_burnt_in and (is_refitted(start, self.settings) or self._has_new()):
            self._refit(is_refitted(start, self.settings))
        is_outage = not counts and float(self.volume.at(np.array([start]))[0]) >= OUTAGE
        usual = self._usual_share()
        found = []
        for one, watched in self.series.items():
            watched.history.add(start, *counts.get(one, (0, 0)))
            if is_outage:
                watched.history.used[-1] = False
            elif is_burnt_in:
                open_before = {kind for kind, each in watched.detectors.items() if each.raised is not None}
                surges = [each.judge(watched.history, usual) for each in watched.detectors.values()]
                found += [Raised(one, surge) for surge in surges if surge is not None and not open_before]
        self.starts = self.series[ALL].history.starts
        return self._gathered(found, start)

    def state(self) -> dict[str, Any]:
        """Give what `restore` goes on from, beside the counts, as JSON has it."""
        found = self.volume
        return {
            "first": self.first,
            "volume": [found.level, found.hours.tolist(), found.days.tolist()],
            "series": [
                {
                    "series": list(one),
                    "unused": watched.history.starts[~watched.history.used].tolist(),
                    "detectors": {kind: each.as_dict() for kind, each in watched.detectors.items()},
                }
                for one, watched in self.series.items()
            ],
        }

    def restore(self, state: Mapping[str, Any], starts: Offsets, counts: Mapping[Series, History]) -> None:
        """Go on from a state, and from the counts of the periods that are kept.

        Parameters
        ----------
        state
            As `state` gave it.
        starts
            Of these periods, in seconds since 1970.
        counts
            Of the series in which a text came.
        """
        level, hours, days = state["volume"]
        self.volume = Expectation(level, np.array(hours), np.array(days), self.volume.dispersion, 0.0)
        self.first, self.starts = state["first"], starts
        for each in state["series"]:
            one = Series(*each["series"])
            history = counts.get(one, History.empty(starts))
            history.used = ~np.isin(starts, np.array(each["unused"], np.int64))
            detectors = {kind: Detector(kind, self.settings) for kind in self.settings.kinds}
            for kind, detector in detectors.items():
                if kind in each["detectors"]:
                    detector.restore(each["detectors"][kind])
            self.series[one] = Watched(history, detectors)

    def _forget_silent(self) -> None:
        """Forget series of which no text came in all periods that are kept."""
        self.series = {
            one: watched for one, watched in self.series.items() if one == ALL or watched.history.n.any()
        }

    def _has_new(self) -> bool:
        return any(
            np.isinf(each.threshold)
            for watched in self.series.values()
            for each in watched.detectors.values()
        )

    def _refit(self, all_of_them: bool) -> None:
        """Learn expectations anew, of all series or of new ones, the whole stream first."""
        whole, usual = self.series[ALL], self._usual_share()
        if all_of_them:
            history, hourly = whole.history, self.settings.period == "hour"
            self.volume = fit_expectation(history.n, history.starts, history.used, hourly)
        share = alarms_per_period(self.settings, len(self.series) * len(self.settings.kinds))
        for one in [ALL, *(each for each in self.series if each != ALL)]:
            for kind, detector in self.series[one].detectors.items():
                if all_of_them or np.isinf(detector.threshold):
                    prior = None if one == ALL else whole.detectors[kind]
                    detector.refit(self.series[one].history, prior, usual, share)

    def _usual_share(self) -> float:
        history = self.series[ALL].history
        negative, n = int(history.negative[history.used].sum()), int(history.n[history.used].sum())
        return (negative + 1) / (n + 2)

    def _gathered(self, found: Iterable[Raised], start: int) -> list[Raised]:
        """Keep the most certain of surges that hang together, and none of a surge that is known."""
        lasting = {
            one: max(times)
            for one, watched in self.series.items()
            if (
                times := [
                    each.raised for each in watched.detectors.values() if each.raised not in (None, start)
                ]
            )
        }
        rest = [
            each
            for each in found
            if not any(_is_known(each.series, one, start - at) for one, at in lasting.items())
        ]
        rest.sort(key=_rank)
        kept: list[Raised] = []
        while rest:
            group = [rest.pop(0)]
            for one in group:  # which grows meanwhile
                group += [each for each in rest if related(one.series, each.series)]
                rest = [each for each in rest if each not in group]
            also = sorted({each.series for each in group} - {group[0].series})
            kept.append(Raised(group[0].series, group[0].surge, tuple(also)))
        return kept


def _rank(raised: Raised) -> tuple[float, int, Series]:
    """Order surges: the most certain first, of equal ones the narrowest."""
    certain = raised.surge.evidence / raised.surge.threshold
    return -round(certain, 3), raised.series.count(""), raised.series


def _is_known(one: Series, lasting: Series, age: int) -> bool:
    """Whether a surge belongs to one that lasts: it is broader, or narrower and not much later."""
    return _is_part(lasting, one) or (lasting != ALL and _is_part(one, lasting) and age <= SAME)


def _is_part(one: Series, other: Series) -> bool:
    """Whether a series is part of another, broader one."""
    return one != other and all(wide in ("", narrow) for narrow, wide in zip(one, other, strict=True))


def related(one: Series, other: Series) -> bool:
    """Whether one of two series is the other, or part of it."""
    return one == other or _is_part(one, other) or _is_part(other, one)

"""`MonitorView`: what a monitor found, to look at while another process runs it; only thumbs are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tailrank.arrays import Doubles, Offsets
from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.expectation import Expectation
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.settings import DAY, Kind, MonitorSettings
from tailrank.tasks.monitor.subscribers import Subscribers, Thumb, latest_of
from tailrank.tasks.monitor.subscriptions import Subscription


@dataclass(frozen=True)
class Overview:
    """How far a monitor is, and what it raised.

    Attributes
    ----------
    now
        End of the latest period that is over, in seconds since 1970; None if none is.
    counters
        Of lines that it read.
    total
        Alerts so far.
    alerts
        The latest ones, the latest first.
    told
        By the id of an alert, the subscribers of now that were told of it, and whether their thumb is up;
        None if they gave none.
    """

    now: int | None
    counters: dict[str, int]
    total: int
    alerts: list[Alert]
    told: Mapping[str, Mapping[str, bool | None]]


@dataclass(frozen=True)
class SeriesView:
    """A series, period by period.

    Attributes
    ----------
    series
        Which one.
    kind
        What `expected` is of: the volume of texts, or of negative ones.
    seconds
        Of a period.
    starts
        Of the periods, in seconds since 1970, shape (periods,).
    n, negative
        Texts, and negative ones, shape (periods,).
    expected
        What is usual by what the monitor knows now, shape (periods,); nan as long as it knows nothing.
    """

    series: Series
    kind: Kind
    seconds: int
    starts: Offsets
    n: Offsets
    negative: Offsets
    expected: Doubles


class MonitorView:
    """Reads the folder of a monitor as it is at each call.

    Parameters
    ----------
    folder
        That `tailrank monitor run` has.

    Raises
    ------
    DataError
        If no monitor has run there, or its state can't be read; so do all methods.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with self._state():
            pass

    def overview(self, most: int) -> Overview:
        """Say how far the monitor is, with its latest alerts, `most` of them at most."""
        with self._state() as state:
            counters = {name: int(n) for name, n in state.note("counters", {}).items()}
            now, total, alerts = state.note("next"), state.alert_count(), state.latest_alerts(most)
            subscribers = self._subscribers(state)
        return Overview(now, counters, total, alerts, _told(subscribers))

    def thumb(self, subscriber: str, alert: str, is_up: bool) -> Thumb:
        """Note whether an alert was worth it to a subscriber; the monitor knows from the next period on.

        Raises
        ------
        RequestError
            If there is no such subscriber now, or it was told of no such alert.
        """
        with self._state() as state:
            subscribers = self._subscribers(state)
        return subscribers.thumb(subscriber, alert, is_up)

    def totals(self, days: int) -> dict[Series, int]:
        """Count the texts of each series in the latest days; series of most texts come first."""
        with self._state() as state:
            return state.totals((state.note("next") or 0) - days * DAY)

    def series(self, series: Series, days: int) -> SeriesView:
        """Give the counts of a series in the latest days.

        Raises
        ------
        RequestError
            If no period is over yet, or no text of the series was counted in these days.
        """
        with self._state() as state:
            now = state.note("next")
            if now is None:
                raise RequestError("no period is over yet: feed the monitor more texts first")
            settings = MonitorSettings.from_dict(state.note("settings", {}))
            known = state.note("surges", {})
            first = max(now - days * DAY, known.get("first") or 0)
            counts = state.counts_of(series, first)
        if not counts:
            raise RequestError(
                f"no text was counted in {series} in {days} days: choose another topic or entity"
            )
        starts = np.arange(first, now, settings.seconds, dtype=np.int64)
        n, negative = np.array([counts.get(start, (0, 0)) for start in starts.tolist()], np.int64).T
        kind, expected = _expected(known, series, starts)
        return SeriesView(series, kind, settings.seconds, starts, n, negative, expected)

    def _subscribers(self, state: MonitorState) -> Subscribers:
        """Give the subscribers that the monitor has run with last."""
        return Subscribers(self.folder, msgspec.convert(state.note("subscriptions", []), list[Subscription]))

    @contextmanager
    def _state(self) -> Iterator[MonitorState]:
        """Open the state of this moment."""
        state = MonitorState(self.folder, read_only=True)
        try:
            yield state
        finally:
            state.close()


def _told(subscribers: Subscribers) -> dict[str, dict[str, bool | None]]:
    """Say who was told of each alert, and what they thought of it."""
    thumbs, found = subscribers.thumbs(), dict[str, dict[str, bool | None]]()
    for one in subscribers.subscriptions:
        latest = latest_of(one.name, thumbs)
        for alert in subscribers.told_of(one.name):
            found.setdefault(alert, {})[one.name] = latest.get(alert)
    return found


def _expected(known: dict[str, Any], series: Series, starts: Offsets) -> tuple[Kind, Doubles]:
    """Say what is usual of a series, from what the monitor noted of its detectors."""
    each = next((each for each in known.get("series", []) if Series(*each["series"]) == series), None)
    detectors: dict[Kind, Any] = {} if each is None else each["detectors"]
    # The expectation of a share is that of all texts.
    kind: Kind = (
        "negative volume" if "negative volume" in detectors and "volume" not in detectors else "volume"
    )
    found = detectors.get(kind) or detectors.get("negative share")
    if found is None or found["threshold"] is None:
        return kind, np.full(len(starts), np.nan)
    hours, days = np.array(found["hours"]), np.array(found["days"])
    usual = Expectation(found["level"], hours, days, found["dispersion"], found["correlation"])
    return kind, usual.at(starts)

"""`Watch`: raises alerts from what is shown and what happens then, as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrank.errors import RequestError
from tailrank.feedback.alerts import Alert, Alerts
from tailrank.feedback.click_rates import ClickRates
from tailrank.feedback.distributions import SignalValues
from tailrank.feedback.event_volume import EventVolume
from tailrank.feedback.guard import Decision
from tailrank.feedback.programs import BusyItems, BusyUsers
from tailrank.feedback.recent_clicks import RecentClicks, Settled
from tailrank.feedback.records import ErasedRecord, EventRecord, Record, ShownRecord
from tailrank.feedback.shown_today import ShownToday
from tailrank.metrics.popularity import COUNT_LABELS

LEARNING: Final = "learned weights"
"""Kind of the alert that what was learned was rolled back."""

REMEDY: Final = "It was forgotten, and nobody saw it: look for odd clicks if it happens again."


class Watch:
    """Watches a log of impressions as it grows: click rates, events, signals, users and items.

    Everything goes by the times of the records, so that a log may be watched again later.

    Parameters
    ----------
    alerts
        Where they are opened and closed; users that are open there are left out already.
    volume
        Events by hour since 1970, of before.

    Examples
    --------
    >>> watch = Watch()
    >>> for n in range(40):
    ...     at = 1.7e9 + 60 * n
    ...     watch.take(EventRecord(f"e{n}", f"user {n}", "bike", "click", at))
    ...     watch.take(EventRecord(f"f{n}", "program", "bike", "click", at))
    >>> watch.left_out("program"), watch.left_out("user 1")
    (True, False)
    """

    def __init__(self, alerts: Alerts | None = None, volume: Mapping[int, int] | None = None) -> None:
        self.alerts = Alerts() if alerts is None else alerts
        self.volume = EventVolume(self.alerts, volume)
        self.today = ShownToday()
        self._clicks, self._signals = RecentClicks(), SignalValues(self.alerts)
        self._users, self._items = BusyUsers(self.alerts), BusyItems(self.alerts)
        self._rates, self.missing = None, ""
        """Why click rates aren't watched, if so."""
        try:
            self._rates = ClickRates(self.alerts)
        except RequestError as why:
            self.missing = str(why)

    def take(self, record: Record) -> None:
        """Take a record of the log; those of one process come in the order in which it wrote them."""
        if isinstance(record, EventRecord):
            self._clicks.event(record)
            self._users.add(record)
            self._items.add(record)
            self.volume.add(record.timestamp)
        elif isinstance(record, ShownRecord):
            self._clicks.shown(record)
            self.today.add(record)
            self._signals.add(record)
        elif isinstance(record, ErasedRecord):
            self._users.forget(record.user_digest)

    def look(self, now: float) -> bool:
        """Judge what is due by a time, in seconds since 1970; returns whether an hour of events is over."""
        for settled in self._clicks.settled(now):
            self._settle(settled)
        self._users.look(now)
        return self.volume.look(now)

    def decided(self, decision: Decision, at: float) -> None:
        """Take what the guard decided: that learning was rolled back is open until weights are published."""
        if decision.action == "publish":
            self.alerts.close(LEARNING, "", at)
        elif decision.action == "roll back":
            self.alerts.open(Alert(LEARNING, "", at, decision.candidate, decision.served, REMEDY))

    def left_out(self, user_id: str) -> bool:
        """Whether a user looks like a program now, so that nothing should be learned from what it does."""
        return self._users.includes(user_id)

    def _settle(self, settled: Settled) -> None:
        self.today.settle(settled)
        if self._rates is None:
            return
        at, clicked = settled.time, settled.clicked
        self._rates.update("", bool(clicked.any()), at)
        if settled.buckets is not None:
            for bucket, is_clicked in zip(settled.buckets.tolist(), clicked.tolist(), strict=True):
                self._rates.update(f"items with {COUNT_LABELS[bucket]} events", is_clicked, at)

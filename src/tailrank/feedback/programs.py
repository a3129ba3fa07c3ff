"""Users who do what no person does, and items that get what no item gets, told while it happens."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Final

import numpy as np

from tailrank.feedback.alerts import ABOUT_SOMEBODY, Alert, Alerts, Kind
from tailrank.feedback.bots import BUSY, DAY, FASTEST, MINUTE, MOST_OF_ONE, TIMES, TOO_MANY
from tailrank.feedback.records import EventRecord, user_digest

KEPT: Final = 200_000
"""Events that say what users do: the latest, of a day at most."""

WINDOW: Final = 1_000
"""Events in which the busiest item is compared with those of the windows before."""

WINDOWS: Final = 10
"""How many of these there must be."""

_USER: Final = "user "


class BusyUsers:
    """Finds users who look like programs, by the bounds of `find_anomalies`, among the events of a day.

    Parameters
    ----------
    alerts
        Where they are opened, and closed a day after their last excess. Those that are open there already are
        found already.
    """

    burst: Final[Kind] = "events a minute"
    one_item: Final[Kind] = "events on one item"
    remedy: Final = "Nothing of this is learned, until a day has passed without."

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._events: deque[tuple[float, str, str]] = deque()
        self._of_user, self._on_item = Counter[str](), Counter[tuple[str, str]]()
        self._minutes: dict[str, deque[float]] = {}
        self._busiest, self._most = Counter[str](), Counter[str]()
        self._limits, self._limited = (0.0, 0.0), -math.inf
        self._found = {
            (each.kind, each.subject.removeprefix(_USER)): each.since
            for each in alerts.opened
            if each.kind in ABOUT_SOMEBODY
        }
        """When each last exceeded a bound, in seconds since 1970."""

    def add(self, event: EventRecord) -> None:
        """Take an event."""
        user, item, at = event.user_id, event.item_id, event.timestamp
        self._events.append((at, user, item))
        self._of_user[user] += 1
        self._on_item[user, item] += 1
        minute = self._minutes.setdefault(user, deque())
        minute.append(at)
        while minute[0] < at - MINUTE:
            minute.popleft()
        self._busiest[user] = max(self._busiest[user], len(minute))
        self._most[user] = max(self._most[user], self._on_item[user, item])
        if len(minute) > FASTEST or self._on_item[user, item] > MOST_OF_ONE:
            fastest, most = self._bounds(at)
            self._judge(self.burst, user, at, len(minute), fastest)
            self._judge(self.one_item, user, at, self._on_item[user, item], most)
        if len(self._events) > KEPT:
            self._drop()

    def look(self, now: float) -> None:
        """Forget what was more than a day before a time, and close what has ended since."""
        while self._events and self._events[0][0] < now - DAY:
            self._drop()
        for (kind, user), last in list(self._found.items()):
            if last < now - DAY:
                del self._found[kind, user]
                self._alerts.close(kind, _USER + user, last)

    def forget(self, digest: str) -> None:
        """Forget that a user was found who is erased."""
        for kind, user in list(self._found):
            if user_digest(user) == digest:
                del self._found[kind, user]
                self._alerts.forget(_USER + user)

    def includes(self, user_id: str) -> bool:
        """Whether a user looks like a program now; nobody does if more than a tenth of all do."""
        found = any((kind, user_id) in self._found for kind in ABOUT_SOMEBODY)
        return found and len({user for _, user in self._found}) <= TOO_MANY * len(self._of_user)

    def _judge(self, kind: Kind, user: str, at: float, seen: int, most: float) -> None:
        if seen > most:
            self._found[kind, user] = at
            self._alerts.open(Alert(kind, _USER + user, at, seen, most, self.remedy))

    def _bounds(self, now: float) -> tuple[float, float]:
        """Give the events in a minute, and on one item, that a person may have; found out once a minute."""
        if abs(now - self._limited) > MINUTE:
            self._limited = now
            fastest, most = (
                TIMES * float(np.quantile(list(of.values()), BUSY)) for of in (self._busiest, self._most)
            )
            self._limits = max(FASTEST, fastest), max(MOST_OF_ONE, most)
        return self._limits

    def _drop(self) -> None:
        """Forget the oldest event, and of whom there is no other one all."""
        _, user, item = self._events.popleft()
        self._of_user[user] -= 1
        self._on_item[user, item] -= 1
        if not self._on_item[user, item]:
            del self._on_item[user, item]
        if not self._of_user[user]:
            for of in (self._of_user, self._minutes, self._busiest, self._most):
                del of[user]


class BusyItems:
    """Finds items that get far more of 1,000 events than the busiest item usually does.

    That is more than five times as many as the busiest has in nine of ten thousands before, and more than 20.

    Parameters
    ----------
    alerts
        Where they are opened, and closed after 1,000 events without.
    """

    kind: Final = "share of events"
    remedy: Final = "If nothing was launched, look for programs: tailrank anomalies."

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._counts, self._n = Counter[str](), 0
        self._tops = deque[int](maxlen=WINDOW)
        self._wrong: set[str] = set()

    def add(self, event: EventRecord) -> None:
        """Take an event."""
        self._counts[event.item_id] += 1
        self._n += 1
        if self._n == WINDOW:
            self._judge(event.timestamp)
            self._counts, self._n = Counter[str](), 0

    def _judge(self, at: float) -> None:
        most = math.inf
        if len(self._tops) >= WINDOWS:
            most = max(MOST_OF_ONE, TIMES * float(np.quantile(self._tops, BUSY)))
        wrong = {item: n for item, n in self._counts.items() if n > most}
        for item, n in wrong.items():
            self._alerts.open(Alert(self.kind, f"item {item}", at, n / WINDOW, most / WINDOW, self.remedy))
        for item in self._wrong - wrong.keys():
            self._alerts.close(self.kind, f"item {item}", at)
        self._wrong = set(wrong)
        self._tops.append(max(n for item, n in self._counts.items() if item not in wrong))

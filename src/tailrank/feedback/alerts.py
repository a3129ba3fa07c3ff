"""What went wrong, since when, and what to do: sentences for people, fields for machines."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, Self, TypeAlias, get_args

import msgspec
from msgspec import Struct

LATEST: Final = 1_000
"""Closed alerts that are kept, unless told otherwise."""

NOTED_OPEN, NOTED_CLOSED = 1_000, 100
"""How many of the latest alerts a note holds."""

NOTES: Final = "alerts"
"""Kind of the notes in a state that hold alerts."""

Kind: TypeAlias = Literal[
    "click rate",
    "distribution",
    "events a minute",
    "events an hour",
    "events on one item",
    "learned weights",
    "share of events",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""What is watched."""

ABOUT_SOMEBODY: Final[tuple[Kind, ...]] = ("events a minute", "events on one item")
"""Kinds whose subject is a user."""


@dataclass(frozen=True)
class Alert:
    """Something that isn't as it should be.

    Attributes
    ----------
    kind
        What was watched.
    subject
        Of what: a count bucket, a signal, an item; empty if it is all of them.
    since
        When it began, in seconds since 1970.
    seen, expected
        The value now, and the one it should be near.
    remedy
        What to look at, or to do.
    until
        When it ended, in seconds since 1970; None while it lasts.

    Examples
    --------
    >>> print(Alert("click rate", "items with 0 events", 1.7e9, 0.05, 0.2, "Compare the models."))
    click rate of items with 0 events: 0.05 since 2023-11-14 22:13 UTC, expected 0.2. Compare the models.
    """

    kind: Kind
    subject: str
    since: float
    seen: float
    expected: float
    remedy: str
    until: float | None = None

    def __str__(self) -> str:
        what = f"{self.kind} of {self.subject}" if self.subject else self.kind
        lasted = f"since {_moment(self.since)} UTC"
        if self.until is not None:
            lasted = f"from {_moment(self.since)} to {_moment(self.until)} UTC"
        return f"{what}: {self.seen:.4g} {lasted}, expected {self.expected:.4g}. {self.remedy}"

    def as_dict(self) -> dict[str, str | float | None]:
        """Give the fields, and the sentence as `message`."""
        return asdict(self) | {"message": str(self)}


class AlertsNote(Struct, frozen=True):
    """The alerts of one log, for whoever shares its state.

    Attributes
    ----------
    log, machine
        Where they come from.
    time
        When they were such, in seconds since 1970.
    opened
        What lasts, the oldest first.
    closed
        What is over, the latest first.
    missing
        What isn't watched, and why; empty if all is.
    """

    log: str
    machine: str
    time: float
    opened: list[Alert]
    closed: list[Alert]
    missing: str

    @classmethod
    def decoded(cls, note: bytes) -> Self | None:
        """Read a note; None if another version of tailrank wrote it in another form."""
        try:
            return msgspec.json.decode(note, type=cls)
        except msgspec.DecodeError:
            return None

    def encoded(self) -> bytes:
        """Give what `decoded` reads."""
        return msgspec.json.encode(self)


class WatchReport(Struct, frozen=True):
    """What who watches a log tells the server: what was opened and closed, and what went wrong."""

    alerts: list[Alert] = []
    trouble: str = ""


class Alerts:
    """Alerts that are open, at most one for each kind and subject, and the latest that were closed.

    Parameters
    ----------
    latest
        Closed alerts that are kept.

    Examples
    --------
    >>> alerts = Alerts()
    >>> alerts.open(Alert("events an hour", "", 0.0, 3.0, 120.0, "Is the tracker running?"))
    True
    >>> alerts.close("events an hour", "", 3600.0)
    True
    >>> len(alerts.opened), alerts.closed[0].until
    (0, 3600.0)
    """

    def __init__(self, latest: int = LATEST) -> None:
        self._open: dict[tuple[Kind, str], Alert] = {}
        self._closed: deque[Alert] = deque(maxlen=latest)

    @classmethod
    def restored(cls, note: AlertsNote, kinds: Collection[Kind]) -> Self:
        """Go on from a note: of these kinds alerts are open still, the others ended with it."""
        alerts = cls()
        alerts._closed.extend(reversed(note.closed))
        for alert in note.opened:
            alerts.open(alert)
            if alert.kind not in kinds:
                alerts.close(alert.kind, alert.subject, note.time)
        return alerts

    def note(self, log: str, time: float, missing: str) -> AlertsNote:
        """Give what others are to know, at a time; see `AlertsNote`."""
        closed = self.closed[:NOTED_CLOSED]
        return AlertsNote(log, platform.node(), time, self.opened[-NOTED_OPEN:], closed, missing)

    def open(self, alert: Alert) -> bool:
        """Take an alert; returns whether it is news.

        Of a kind and subject that has one open, `since` stays, and the rest becomes what it is now.
        """
        key = alert.kind, alert.subject
        before = self._open.get(key)
        self._open[key] = alert if before is None else replace(alert, since=before.since)
        return before is None

    def close(self, kind: Kind, subject: str, at: float) -> bool:
        """End an alert at a time, in seconds since 1970; returns whether there was one."""
        found = self._open.pop((kind, subject), None)
        if found is not None:
            self._closed.append(replace(found, until=at))
        return found is not None

    def forget(self, subject: str) -> None:
        """Remove every alert of a subject, as of a user who is erased."""
        self._open = {key: alert for key, alert in self._open.items() if alert.subject != subject}
        kept = [alert for alert in self._closed if alert.subject != subject]
        self._closed = deque(kept, self._closed.maxlen)

    @property
    def opened(self) -> list[Alert]:
        """What lasts, the oldest first."""
        return sorted(self._open.values(), key=lambda alert: alert.since)

    @property
    def closed(self) -> list[Alert]:
        """What is over, the latest first."""
        return list(reversed(self._closed))


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"

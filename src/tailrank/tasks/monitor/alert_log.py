"""Alerts, and the file that they are appended to, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tailrank.tasks.monitor.json_lines import JsonLines
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.settings import Kind
from tailrank.tasks.monitor.surges import Raised


class Evidence(msgspec.Struct, frozen=True):
    """A text that stands for others."""

    id: str
    timestamp: float
    text: str


class Alert(msgspec.Struct, frozen=True):
    """A surge, with its evidence.

    Attributes
    ----------
    id
        Made of what surges and when, so that it is the same if it is found again.
    kind, topic, entity
        What surges; an empty topic or entity is all of them.
    since, until
        Seconds since 1970: the start of the first period of the surge, and the end of the one in which it was
        found.
    observed, expected
        Texts (negative ones, or their share) in that time.
    texts
        All texts of the series in that time.
    why
        In words.
    words
        That these texts have and earlier ones don't.
    summary
        Sentences of the texts.
    evidence
        The most central texts.
    also
        Topics and entities that surge with it.
    """

    id: str
    kind: Kind
    topic: str
    entity: str
    since: int
    until: int
    observed: float
    expected: float
    texts: int
    why: str
    words: list[str] = []
    summary: list[str] = []
    evidence: list[Evidence] = []
    also: list[tuple[str, str]] = []

    @property
    def series(self) -> Series:
        """What surges."""
        return Series(self.topic, self.entity)

    @property
    def severity(self) -> float:
        """How many times the expectation was observed."""
        return self.observed / max(self.expected, 1e-3)

    def as_dict(self) -> dict[str, Any]:
        """Give the fields by name, as JSON has them."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def alert_of(raised: Raised, words: list[str], summary: list[str], evidence: list[Evidence]) -> Alert:
    """Make an alert of what was raised and what was found to it."""
    surge, series = raised.surge, raised.series
    key = "\0".join([surge.kind, *series, str(surge.since), str(surge.until)])
    return Alert(
        hashlib.sha256(key.encode()).hexdigest()[:16],
        surge.kind,
        *series,
        surge.since,
        surge.until,
        round(surge.observed, 4),
        round(surge.expected, 4),
        surge.n,
        _why(raised),
        words,
        summary,
        evidence,
        [(one.topic, one.entity) for one in raised.also],
    )


class AlertLog:
    """An append-only file of JSON Lines; each alert is in it once.

    Parameters
    ----------
    file
        Read, which another process may be writing meanwhile: half a line at its end is none. `append` makes
        it if there is none, and cuts such a half off.

    Raises
    ------
    DataError
        If it can't be read or written, or a line isn't an alert.
    """

    def __init__(self, file: Path) -> None:
        self._lines = JsonLines(file, Alert)
        self._ids = {alert.id for alert in self}

    def __iter__(self) -> Iterator[Alert]:
        """Give all alerts, the oldest first."""
        return iter(self._lines)

    def missing(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Give those that aren't in it."""
        return [alert for alert in alerts if alert.id not in self._ids]

    def append(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Append those that are missing, and wait until they are on the disk; returns them."""
        new = self.missing(alerts)
        if new:
            self._lines.append(new)
            self._ids.update(alert.id for alert in new)
        return new


def moment(seconds: float) -> str:
    """Write a time by UTC.

    Examples
    --------
    >>> moment(1424599200)
    '2015-02-22 10:00'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _why(raised: Raised) -> str:
    surge = raised.surge
    when = f"from {moment(surge.since)} to {moment(surge.until)} UTC"
    if surge.kind == "negative share":
        found = (
            f"{surge.observed:.0%} of {surge.n:,} texts were negative {when}, {surge.expected:.0%} expected"
        )
    else:
        what = "negative texts" if surge.kind == "negative volume" else "texts"
        found = f"{surge.observed:,.0f} {what} {when}, {surge.expected:,.1f} expected"
    return f"{raised.series}: {found} (evidence {surge.evidence:.1f}, threshold {surge.threshold:.1f})"

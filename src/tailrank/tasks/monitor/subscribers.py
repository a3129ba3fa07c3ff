"""Who was told of which alerts, each once; thumbs move the thresholds of subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import Alert, AlertLog
from tailrank.tasks.monitor.json_lines import JsonLines
from tailrank.tasks.monitor.settings import DAY
from tailrank.tasks.monitor.subscriptions import HIGHEST, LOWEST, Subscription

STEP: Final = 1.25
"""By which a thumb multiplies or divides it."""


class Thumb(Struct, frozen=True):
    """A subscriber's opinion of an alert, and the threshold that it led to."""

    subscriber: str
    alert: str
    is_up: bool
    severity: float


class Subscribers:
    """Tells subscribers, each in a file of its own, of every alert once.

    Parameters
    ----------
    folder
        Of the monitor.
    subscriptions
        As they are written; thumbs change their thresholds.
    on_new
        Is given what is new to a subscriber before that is appended: again, if the process ends in between.
    """

    def __init__(
        self,
        folder: Path,
        subscriptions: Sequence[Subscription],
        on_new: Callable[[Subscription, Sequence[Alert]], None] = lambda one, alerts: None,
    ) -> None:
        self.folder, self._on_new = folder, on_new
        self._thumbs = JsonLines(folder / "thumbs.jsonl", Thumb)
        self._written = {each.name: each for each in subscriptions}
        thumbs = self.thumbs()
        self.subscriptions = [
            msgspec.structs.replace(each, severity=_moved(each, thumbs)) for each in subscriptions
        ]

    def thumbs(self) -> list[Thumb]:
        """Give all thumbs, the oldest first; of those of one subscriber on one alert, the last one counts."""
        return list(self._thumbs)

    def thumb(self, name: str, alert: str, is_up: bool) -> Thumb:
        """Note a thumb: up divides the subscriber's threshold, down multiplies it, within bounds.

        It is on the disk when this returns. The same again changes nothing, and several processes may do it.

        Raises
        ------
        RequestError
            If there is no such subscriber, or it was told of no such alert.
        DataError
            If it can't be kept.
        """
        one = self._written.get(name)
        if one is None:
            known = ", ".join(self._written) or "none"
            raise RequestError(f"no subscription is called {name}: there are {known}")
        if alert not in self.told_of(name):
            raise RequestError(
                f"{name} wasn't told of an alert {alert}: `tailrank monitor alerts` lists them"
            )
        with self._thumbs.held():
            before = self.thumbs()
            found = Thumb(name, alert, is_up, _moved(one, [*before, Thumb(name, alert, is_up, 0.0)]))
            if latest_of(name, before).get(alert) != is_up:
                self._thumbs.append([found])
        return found

    def told_of(self, name: str) -> set[str]:
        """Give the ids of the alerts that a subscriber was told of."""
        return {each.id for each in AlertLog(self.file(name))}

    def file(self, name: str) -> Path:
        """Name the file of a subscriber's alerts."""
        return self.folder / "told" / f"{name}.jsonl"

    def tell(
        self, alerts: Iterable[Alert], now: float, before: float | None = None
    ) -> dict[str, list[Alert]]:
        """Append alerts that are wanted and due; returns what was new to whom.

        Parameters
        ----------
        alerts
            Of the log.
        now
            End of the latest period that is over, in seconds since 1970.
        before
            That of the last time; None if it is the same. Alerts of more than two days before it aren't told
            of: a new subscription doesn't begin with old ones.
        """
        since = (now if before is None else before) - 2 * DAY
        recent, told = [alert for alert in alerts if alert.until > since], {}
        for one in self.subscriptions:
            wanted = [alert for alert in recent if one.wants(alert) and one.is_due(alert, now)]
            if wanted:
                self.file(one.name).parent.mkdir(exist_ok=True)
                log = AlertLog(self.file(one.name))
                if new := log.missing(wanted):
                    self._on_new(one, new)
                    told[one.name] = log.append(new)
        return told


def latest_of(name: str, thumbs: Iterable[Thumb]) -> dict[str, bool]:
    """Say of each alert that a subscriber gave a thumb whether the last one was up."""
    return {thumb.alert: thumb.is_up for thumb in thumbs if thumb.subscriber == name}


def _moved(one: Subscription, thumbs: Iterable[Thumb]) -> float:
    """Move the threshold that a subscription is written with."""
    severity = one.severity
    for is_up in latest_of(one.name, thumbs).values():
        severity = min(max(severity / STEP if is_up else severity * STEP, LOWEST), HIGHEST)
    return round(severity, 4)

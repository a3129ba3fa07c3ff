"""Who was told of which alerts, each once; thumbs move the thresholds of subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tailrank.errors import DataError
from tailrank.files import written_file
from tailrank.tasks.monitor.alert_log import Alert, AlertLog
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
        self._thumbs = folder / "thumbs.jsonl"
        moved = {thumb.subscriber: thumb.severity for thumb in self.thumbs()}
        self.subscriptions = [
            msgspec.structs.replace(each, severity=moved.get(each.name, each.severity))
            for each in subscriptions
        ]

    def thumbs(self) -> list[Thumb]:
        """Give all thumbs, the oldest first; half a line at the end counts as none."""
        if not self._thumbs.exists():
            return []
        lines = self._thumbs.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=Thumb) for line in lines]

    def thumb(self, name: str, alert: str, is_up: bool) -> Thumb:
        """Note a thumb: up divides the subscriber's threshold, down multiplies it, within bounds.

        Raises
        ------
        DataError
            If there is no such subscriber, or it was told of no such alert.
        """
        one = next((each for each in self.subscriptions if each.name == name), None)
        if one is None:
            known = ", ".join(each.name for each in self.subscriptions) or "none"
            raise DataError(f"no subscription is called {name}: there are {known}")
        if alert not in {each.id for each in AlertLog(self.file(name))}:
            raise DataError(f"{name} wasn't told of an alert {alert}: `tailrank monitor alerts` lists them")
        severity = one.severity / STEP if is_up else one.severity * STEP
        found = Thumb(name, alert, is_up, round(min(max(severity, LOWEST), HIGHEST), 4))
        whole = b"".join(msgspec.json.encode(each) + b"\n" for each in [*self.thumbs(), found])
        with written_file(self._thumbs) as new:
            new.write_bytes(whole)
        return found

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

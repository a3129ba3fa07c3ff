"""Who wants which alerts, and when; an edit says what it silences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct

from tailrank.arrays import Floats
from tailrank.errors import DataError, first_line
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.settings import DAY, HOUR, Kind
from tailrank.tasks.monitor.summaries import Vectors

OWN: Final = "subscription:"
"""What the topic of a subscription with examples starts with."""

LOWEST, HIGHEST = 1.0, 8.0
"""Bounds of a subscriber's threshold, in times the expectation."""

FOUND: Final = 0.8
"""Share of a subscription's examples that its threshold is to find, each by the others."""

CHECKED_DAYS: Final = 30

Cadence: TypeAlias = Literal["at once", "hourly", "daily"]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[\w.-]{1,64}$")]


class Receiver(Struct, frozen=True, forbid_unknown_fields=True):
    """A URL to which a subscriber's alerts are posted, and where the secret is that signs them.

    Attributes
    ----------
    url
        http or https.
    secret_file, secret_env
        A file or a variable of the environment that holds it; without either, nothing is signed.
    """

    url: str
    secret_file: str = ""
    secret_env: str = ""


class Subscription(Struct, frozen=True, forbid_unknown_fields=True):
    """What a subscriber wants.

    Attributes
    ----------
    name
        Letters, digits, `_`, `-` and `.`.
    examples
        At least three texts like those to be told of; they make a topic of its own.
    topics, entities, kinds
        Alerts on any of these; empty ones mean all. Examples make `topics` their own one.
    cadence
        When to tell.
    severity
        Tell of what is observed at least so many times as often as expected.
    webhook
        Where alerts are posted; None posts nothing.
    """

    name: Name
    examples: Annotated[list[str], Meta(max_length=1_000)] = []
    topics: list[str] = []
    entities: list[str] = []
    kinds: list[Kind] = []
    cadence: Cadence = "at once"
    severity: Annotated[float, Meta(ge=LOWEST, le=HIGHEST)] = LOWEST
    webhook: Receiver | None = None

    @property
    def topic(self) -> str:
        """Name of its own topic."""
        return OWN + self.name

    def wants(self, alert: Alert) -> bool:
        """Whether it is to be told of an alert, or of one of the series that surge with it."""
        topics = [self.topic] if self.examples else self.topics
        series = [(alert.topic, alert.entity), *alert.also]
        return (
            any(
                (not topics or one in topics) and (not self.entities or of in self.entities)
                for one, of in series
            )
            and (not self.kinds or alert.kind in self.kinds)
            and alert.severity >= self.severity
        )

    def is_due(self, alert: Alert, now: float) -> bool:
        """Whether its cadence has come for an alert, at a time of the stream in seconds since 1970."""
        every = {"at once": 1, "hourly": HOUR, "daily": DAY}[self.cadence]
        return -(-alert.until // every) * every <= now


@dataclass(frozen=True)
class ExampleTopic:
    """The topic of a subscription: texts whose cosine with the mean of its examples is high enough.

    Attributes
    ----------
    name
        Of the topic.
    centre
        Shape (d,), of length one.
    threshold
        Chosen by examples that were left out of the mean, one by one.
    """

    name: str
    centre: Floats
    threshold: float

    @classmethod
    def of(cls, subscription: Subscription, vectors: Vectors) -> Self:
        """Learn it.

        Raises
        ------
        DataError
            If there are fewer than three examples, since one is left out.
        """
        if len(set(subscription.examples)) < 3:
            raise DataError(f"subscription {subscription.name}: give at least three different examples")
        values = vectors(sorted(set(subscription.examples)))
        rest = values.sum(0) - values
        cosines = (values * rest).sum(1) / np.maximum(np.linalg.norm(rest, axis=1), 1e-12)
        centre = values.mean(0) / max(float(np.linalg.norm(values.mean(0))), 1e-12)
        return cls(subscription.topic, centre, float(np.quantile(cosines, 1 - FOUND)))

    def matches(self, values: Floats) -> list[bool]:
        """Tell which texts belong to it, by their vectors of shape (n, d)."""
        found: list[bool] = (values @ self.centre >= self.threshold).tolist()
        return found


def read_subscriptions(file: Path) -> list[Subscription]:
    """Read a file of JSON: a list of subscriptions.

    Raises
    ------
    DataError
        Naming the field that is wrong, or a name that comes twice.
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[Subscription])
    except OSError as why:
        raise DataError(f"{file}: can't be read ({why.strerror}). Give a file of subscriptions.") from None
    except msgspec.DecodeError as why:
        raise DataError(f"{file}: {first_line(why)}. docs/monitor.md shows the fields.") from None
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file}: two subscriptions are called {name}. Rename one.")
    return found


@dataclass(frozen=True)
class Silenced:
    """Alerts that an edit of a subscription would have kept from its subscriber.

    Examples
    --------
    >>> print(Silenced("ann", 12, 9))
    ann: 9 of 12 alerts of the last 30 days would be gone
    """

    name: str
    before: int
    gone: int
    examples_differ: bool = False

    def __str__(self) -> str:
        hint = "; its examples changed, which only new texts can tell of" if self.examples_differ else ""
        alerts = f"{self.gone} of {self.before} alerts of the last {CHECKED_DAYS} days"
        return f"{self.name}: {alerts} would be gone{hint}"


def silenced(
    old: Sequence[Subscription], new: Sequence[Subscription], alerts: Iterable[Alert]
) -> list[Silenced]:
    """Say which alerts of the last 30 days before the latest one subscribers would no longer be told of."""
    listed, after = list(alerts), {each.name: each for each in new}
    latest = max((alert.until for alert in listed), default=0)
    recent = [alert for alert in listed if alert.until > latest - CHECKED_DAYS * DAY]
    found = []
    for one in old:
        other = after.get(one.name)
        told = [alert for alert in recent if one.wants(alert)]
        gone = sum(other is None or not other.wants(alert) for alert in told)
        differ = other is not None and other.examples != one.examples
        if gone or differ:
            found.append(Silenced(one.name, len(told), gone, differ))
    return found

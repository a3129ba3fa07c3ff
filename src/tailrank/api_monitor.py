"""The wire shapes of the opinion monitor."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from tailrank.bounds import MAX_TEXT

MAX_DAYS: Final = 366
"""Of a series."""


class SeriesName(Struct, frozen=True):
    """A series of the monitor; an empty topic or entity is all of them."""

    topic: str
    entity: str


class MonitorText(Struct, frozen=True):
    """A text behind an alert, and when it was written, in seconds since 1970."""

    id: str
    timestamp: float
    text: str


class ToldSubscriber(Struct, frozen=True):
    """A subscriber that was told of an alert; `is_up` is its thumb, null if it gave none."""

    subscriber: str
    is_up: bool | None


class MonitorAlert(Struct, frozen=True):
    """A surge of a series, `why` it is one in words, and the texts behind it.

    `kind` is what surges: `volume`, `negative volume` or `negative share`. It lasts from `since` until, at
    least, `until`, in seconds since 1970. `also` surge with it. `told` are those who
    subscribe now and were told of it.
    """

    id: str
    kind: str
    topic: str
    entity: str
    since: int
    until: int
    observed: float
    expected: float
    texts: int
    why: str
    words: list[str]
    summary: list[str]
    evidence: list[MonitorText]
    also: list[SeriesName]
    told: list[ToldSubscriber]


class MonitorAlerts(Struct, frozen=True):
    """The latest alerts of the monitor, the latest first, of `total`.

    `now` is the end of the latest period that is over, in seconds since 1970; null if none is. `counters`
    count the lines that it read.
    """

    now: int | None
    counters: dict[str, int]
    total: int
    alerts: list[MonitorAlert]


class AlertThumb(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an alert was worth it to a subscriber that was told of it."""

    subscriber: Annotated[str, Meta(max_length=64)]
    alert: Annotated[str, Meta(max_length=64)]
    is_up: bool


class AlertThumbStored(Struct, frozen=True):
    """A thumb, and how many times the expectation the subscriber is told of from now on."""

    subscriber: str
    alert: str
    is_up: bool
    severity: float


class CountedSeries(Struct, frozen=True):
    """A series, and its texts of the latest days."""

    topic: str
    entity: str
    texts: int


class MonitorSeries(Struct, frozen=True):
    """The series with most texts in so many `days`, of `total`."""

    days: int
    total: int
    series: list[CountedSeries]


class SeriesRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series to give, and of how many latest days; an empty topic or entity is all of them."""

    topic: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    entity: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 30

    def __post_init__(self) -> None:
        (self.topic + self.entity).encode()  # half a surrogate pair names nothing


class SeriesCounts(Struct, frozen=True):
    """A series, period by period of `seconds`, whose `starts` are seconds since 1970.

    `expected` is what is usual of `kind`, texts (`volume`) or negative ones (`negative volume`), by what the
    monitor knows now; null while it knows nothing.
    """

    topic: str
    entity: str
    kind: str
    seconds: int
    starts: list[int]
    texts: list[int]
    negative: list[int]
    expected: list[float | None]

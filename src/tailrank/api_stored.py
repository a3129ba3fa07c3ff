"""The wire shapes of what a server stores, and of its answers: events, items, verdicts, texts and more."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from tailrank.api import MAX_CANDIDATES, MAX_EVENTS, HistoryEvent, Id, Seconds, Shown, check_bytes
from tailrank.bounds import check_time

MAX_ITEMS: Final = 1_000
MAX_IMPRESSIONS: Final = 1_000
MAX_MONITORED: Final = 1_000


class Event(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """An event. The same `event_id` again, of the same user and item, counts once.

    `value` is checked, but nothing ranks by it. A `timestamp` that is still to come, by a day at most, is
    stored as now. `ranking_id` says in which ranking the user found the item; it is only logged.
    """

    event_id: Id
    user_id: Id
    item_id: Id
    event: Annotated[str, Meta(min_length=1, max_length=100)]
    timestamp: Seconds
    value: float | None = None
    ranking_id: Id | None = None

    def __post_init__(self) -> None:
        check_bytes("event_id user_id item_id event", self.event_id, self.user_id, self.item_id, self.event)
        check_bytes("ranking_id", self.ranking_id or "")
        check_time(self.timestamp)


Events: TypeAlias = Event | Annotated[list[Event], Meta(max_length=MAX_EVENTS)]


class Impression(Struct, frozen=True, forbid_unknown_fields=True):
    """A list that a user was shown, and that this server didn't rank.

    `item_ids` are in the order shown. `scores` are what they were sorted by; `propensities` the chance that
    each was shown at its rank, 1 by default. A `timestamp` that is still to come counts as now. The same
    `ranking_id` again counts once.
    """

    ranking_id: Id
    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_CANDIDATES)]
    timestamp: Seconds
    user_id: Id | None = None
    scores: list[float] | None = None
    propensities: list[Annotated[float, Meta(gt=0, le=1)]] | None = None

    def __post_init__(self) -> None:
        check_bytes("ranking_id user_id", self.ranking_id, self.user_id or "")
        for item in self.item_ids:
            check_bytes("item_ids", item)
        if len(set(self.item_ids)) < len(self.item_ids):
            raise ValueError("item_ids names an item twice: send each once")
        for name, given in (("scores", self.scores), ("propensities", self.propensities)):
            if given is not None and len(given) != len(self.item_ids):
                raise ValueError(f"{name} holds {len(given)} numbers for {len(self.item_ids)} items")
        check_time(self.timestamp)


Impressions: TypeAlias = Impression | Annotated[list[Impression], Meta(max_length=MAX_IMPRESSIONS)]
Item: TypeAlias = dict[str, Any]
"""The columns of one item, `item_id` among them, as in a data folder.

Columns that the model reads hold a `Value`; any others may hold anything.
"""
Items: TypeAlias = Item | Annotated[list[Item], Meta(max_length=MAX_ITEMS)]


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided of an item, who, and why.

    `fingerprint`, as the review gave it, says which text was read: if the item has another one by now, the
    verdict is refused. With a `market`, which the screen must know, it counts there, whatever was decided for
    all.
    """

    verdict: Literal["approve", "reject"]
    by: Annotated[str, Meta(min_length=1, max_length=200)]
    why: Annotated[str, Meta(min_length=1, max_length=2_000)]
    fingerprint: str | None = None
    market: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class Refused(Struct, frozen=True):
    """An entry of a list that can't be taken: its index, the field at fault if there is one, and why."""

    index: int
    error: str
    field: str | UnsetType = UNSET


class EventsAccepted(Struct, frozen=True):
    """Events that are durable now: how many, and how many of them were new.

    Not new are repetitions, events that have expired, and those older than the latest 50 of their
    user. `refused` are those that aren't stored.
    """

    accepted: int
    new: int
    refused: list[Refused] | UnsetType = UNSET


class ImpressionsAccepted(Struct, frozen=True):
    """Impressions that are durable now. `refused` are those that aren't logged."""

    accepted: int
    refused: list[Refused] | UnsetType = UNSET


class ItemsAccepted(Struct, frozen=True):
    """Items that are put or deleted now, and how many such changes there were in all.

    `refused` are those that aren't put.
    """

    accepted: int
    version: int
    refused: list[Refused] | UnsetType = UNSET


class Logged(Struct, frozen=True):
    """What the log of impressions holds of a user, oldest first: the lists shown, and the events."""

    shown: list[dict[str, Any]]
    events: list[dict[str, Any]]


class UserHistory(Struct, frozen=True):
    """What is stored of a user, oldest first; `logged` if it was asked for.

    `shown` says when the user was shown items, if a policy goes by that.
    """

    user_id: str
    events: list[HistoryEvent]
    logged: Logged | UnsetType = UNSET
    shown: Shown | UnsetType = UNSET


class UserErased(Struct, frozen=True):
    """Whether anything was stored of a user that is erased now."""

    erased: bool


class MonitoredText(Struct, frozen=True, forbid_unknown_fields=True):
    """A text for the opinion monitor; `timestamp` in seconds since 1970, or ISO 8601."""

    id: str | int
    text: str
    timestamp: float | str
    entity: str | None = None
    topic: str | list[str] | None = None
    sentiment: Literal["negative", "neutral", "positive"] | None = None
    reason: str | None = None


MonitoredTexts: TypeAlias = MonitoredText | Annotated[list[MonitoredText], Meta(max_length=MAX_MONITORED)]


class TextsAccepted(Struct, frozen=True):
    """Texts that are durable now, and read by the monitor next. `refused` are those that aren't kept."""

    accepted: int
    refused: list[Refused] | UnsetType = UNSET

"""Metarank's event schema: what is known of items and users, what was shown, what was done with it.

Shape and rules are those of Metarank 0.7 (https://docs.metarank.ai, "Supported events"): times are
milliseconds since 1970 as a number or as text, or ISO-8601; `metadata` is the old name of `item`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from tailrank.bounds import EARLIEST_TIMESTAMP
from tailrank.data.columns import Columns
from tailrank.data.imports.records import EventType, Id, UnixTime, iso_seconds
from tailrank.data.imports.tables import Value, column_values

RELEVANCY: Final = "relevancy"
"""Field of a ranked item that holds the score of the search engine or recommender that found it."""

IMPRESSION: Final = "impression"
"""Interaction type that Metarank gives to items that were shown; it says nothing on what was chosen."""

MILLIS: Final = 1_000
"""Metarank's units of time in a second."""


class Field(Struct, frozen=True, gc=False):
    """A named value."""

    name: str
    value: str | float | bool | list[str | float | bool | None] | None


class RankItem(Struct, frozen=True):
    """An item of a list that was shown; older versions have `relevancy` beside the fields."""

    id: Id
    fields: list[Field] | None = None
    relevancy: float | None = None

    @property
    def score(self) -> float | None:
        """Its upstream score, if it has one."""
        if self.relevancy is not None or not self.fields:
            return self.relevancy
        values = (field.value for field in self.fields if field.name == RELEVANCY)
        return next((value for value in values if isinstance(value, float)), None)


class ItemEvent(Struct, frozen=True, tag_field="event", tag="item"):
    """What is known of an item from `timestamp` on; fields that aren't named stay as they were."""

    id: Id
    item: Id
    timestamp: UnixTime
    fields: list[Field] | None = None

    def __post_init__(self) -> None:
        if any(field.name == Columns.ITEM for field in self.fields or ()):
            raise ValueError(f"A field of an item can't be named {Columns.ITEM!r}")

    @property
    def values(self) -> dict[str, Value]:
        """Fields by name, without vectors."""
        return column_values((field.name, field.value) for field in self.fields or ())


class MetadataEvent(ItemEvent, frozen=True, tag="metadata"):
    """An item, in the words of Metarank before 0.5."""


class _UserAction(Struct, frozen=True, tag_field="event"):
    """What belongs to a user or, if nobody is signed in, to a session."""

    id: Id
    timestamp: UnixTime
    user: Id | None = None
    session: Id | None = None

    @property
    def user_id(self) -> str | None:
        """The user or, without one, the session."""
        return self.user or self.session


class UserEvent(Struct, frozen=True, tag_field="event", tag="user"):
    """What is known of a user."""

    id: Id
    user: Id
    timestamp: UnixTime


class RankingEvent(_UserAction, frozen=True, kw_only=True, tag="ranking"):
    """A list that was shown, or is to be ranked."""

    items: Sequence[RankItem]


class InteractionEvent(_UserAction, frozen=True, kw_only=True, tag="interaction"):
    """What a user did with an item; `ranking` is the id of the list that it was found in."""

    item: Id
    type: EventType
    ranking: Id | None = None


MetarankEvent: TypeAlias = ItemEvent | MetadataEvent | UserEvent | RankingEvent | InteractionEvent


def read_time(_: type, value: object, earliest: int = EARLIEST_TIMESTAMP) -> UnixTime:
    """Read a time of Metarank's."""
    if isinstance(value, str):
        if not value.isdecimal():
            return UnixTime.from_number(iso_seconds(value), earliest=earliest)
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return UnixTime.from_number(value, MILLIS, earliest)
    raise ValueError("Expected milliseconds since 1970, or ISO 8601 text")


DECODER: Final = msgspec.json.Decoder[MetarankEvent](MetarankEvent, dec_hook=read_time)

"""Metarank's event schema: what is known of items and users, what was shown, what was done with it.

Shape and rules are those of Metarank 0.7 (https://docs.metarank.ai, "Supported events"): times are
milliseconds since 1970 as a number or as text, or ISO-8601; `metadata` is the old name of `item`.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from tailrank.data.columns import Columns
from tailrank.data.imports.files import Instant, iso_seconds
from tailrank.data.imports.tables import Value, plain

RELEVANCY: Final = "relevancy"
"""Field of a ranked item that holds the score of the search engine or recommender that found it."""

IMPRESSION: Final = "impression"
"""Type of interaction that Metarank makes of what was seen; it says nothing on what was taken."""

MILLIS: Final = 1_000
"""Units of a second in which Metarank tells time."""

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=400)]


class Field(Struct, frozen=True, gc=False):
    """A named value."""

    name: str
    value: str | float | bool | list[str | float] | None


class RankItem(Struct, frozen=True):
    """An item of a list that was shown; `relevancy` beside the fields is the old place of that field."""

    id: Id
    fields: list[Field] | None = None
    relevancy: float | None = None

    @property
    def score(self) -> float | None:
        """Its upstream score, where it has one."""
        if self.relevancy is not None or not self.fields:
            return self.relevancy
        given = (field.value for field in self.fields if field.name == RELEVANCY)
        return next((value for value in given if isinstance(value, float)), None)


class ItemEvent(Struct, frozen=True, tag_field="event", tag="item"):
    """What is known of an item from `timestamp` on; fields that aren't named stay as they were."""

    id: Id
    item: Id
    timestamp: Instant
    fields: list[Field] | None = None

    def __post_init__(self) -> None:
        if any(field.name == Columns.ITEM for field in self.fields or ()):
            raise ValueError(f"A field of an item can't be named {Columns.ITEM!r}")

    @property
    def values(self) -> dict[str, Value]:
        """Fields by name, without vectors."""
        return plain((field.name, field.value) for field in self.fields or ())


class MetadataEvent(ItemEvent, frozen=True, tag="metadata"):
    """An item, in the words of Metarank before 0.5."""


class _Act(Struct, frozen=True, tag_field="event"):
    """What belongs to someone: a user or, where nobody is signed in, a session."""

    id: Id
    timestamp: Instant
    user: Id | None = None
    session: Id | None = None

    @property
    def person(self) -> str | None:
        """Whose it is."""
        return self.user or self.session


class UserEvent(Struct, frozen=True, tag_field="event", tag="user"):
    """What is known of a user."""

    id: Id
    user: Id
    timestamp: Instant


class RankingEvent(_Act, frozen=True, kw_only=True, tag="ranking"):
    """A list that was shown, or is to be ranked."""

    items: list[RankItem]


class InteractionEvent(_Act, frozen=True, kw_only=True, tag="interaction"):
    """What someone did with an item; `ranking` is the id of the list that they found it in."""

    item: Id
    type: Annotated[str, Meta(min_length=1, max_length=100)]
    ranking: Id | None = None


Event: TypeAlias = ItemEvent | MetadataEvent | UserEvent | RankingEvent | InteractionEvent


def _time(kind: type, value: object) -> Instant:
    """Read a time of Metarank's."""
    if isinstance(value, str):
        return Instant.of(int(value), MILLIS) if value.isdecimal() else Instant.of(iso_seconds(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Instant.of(value, MILLIS)
    raise ValueError(f"Expected `int | str`, got `{type(value).__name__}`")


DECODER: Final = msgspec.json.Decoder[Event](Event, dec_hook=_time)
LIST_DECODER: Final = msgspec.json.Decoder(list[Event], dec_hook=_time)
RANKING_DECODER: Final = msgspec.json.Decoder(RankingEvent, dec_hook=_time)

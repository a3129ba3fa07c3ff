"""Metarank's HTTP in our own terms: its events in, its rankings out.

The shapes are those of Metarank 0.7 (https://docs.metarank.ai, "API"). Where its documentation and its
server differ, its server counts: `features` of an answer are an object, not a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, ValidationError

from tailrank.api import MOST_CANDIDATES, Candidate, EventIn, Item, Ranking, RankRequest, Value
from tailrank.data.columns import Columns
from tailrank.data.imports.metarank_schema import (
    DECODER,
    IMPRESSION,
    LIST_DECODER,
    RANKING_DECODER,
    InteractionEvent,
    ItemEvent,
    MetarankEvent,
    RankingEvent,
)

T = TypeVar("T")


class Feedback(NamedTuple):
    """What a request to `/feedback` says.

    Attributes
    ----------
    events
        Interactions of somebody.
    items
        Items to put, each once and whole.
    accepted
        Events of Metarank's in the request, those included that nothing is kept of: users, rankings,
        impressions, interactions of nobody.
    """

    events: list[EventIn]
    items: list[Item]
    accepted: int


class FeedbackAnswer(Struct, frozen=True):
    """Answer of `/feedback`; `updated` counts what is kept."""

    status: Literal["ok"]
    accepted: int
    updated: int
    took: int = msgspec.field(name="tookMillis")


class Scored(Struct, frozen=True):
    """An item of a ranking; `features` are the signals' contributions."""

    item: str
    score: float
    features: dict[str, float] | UnsetType = UNSET


class RankAnswer(Struct, frozen=True):
    """Answer of `/rank/{model}`: the best first, and the whole milliseconds that it took."""

    items: list[Scored]
    took: int


def read_feedback(body: bytes, known: Callable[[str], Mapping[str, Value]]) -> Feedback:
    """Read one event of Metarank's, an array, or one after the other as in JSON Lines.

    Parameters
    ----------
    body
        UTF-8.
    known
        Gives the columns of an item as they are now, none for a new one: an item event names only the
        fields that change.

    Raises
    ------
    DecodeError, UnicodeDecodeError
        Where the body is no JSON.
    ValidationError
        Where it holds something else than events.
    """
    found = events_of(body)
    events = [_event(each) for each in found if isinstance(each, InteractionEvent) and _counts(each)]
    items: dict[str, Item] = {}
    for each in sorted((one for one in found if isinstance(one, ItemEvent)), key=lambda one: one.timestamp):
        before = items.get(each.item) or known(each.item)
        items[each.item] = {**before, **each.values, Columns.ITEM: each.item}
    return Feedback(events, list(items.values()), len(found))


def events_of(body: bytes) -> list[MetarankEvent]:
    """Decode events, as `read_feedback` does."""
    if body.lstrip()[:1] == b"[":
        return LIST_DECODER.decode(body)
    return DECODER.decode_lines(body)


def read_ranking(body: bytes, explain: bool = False) -> RankRequest:
    """Read a request to rank: candidates with their `relevancy` as upstream score.

    Raises
    ------
    DecodeError, UnicodeDecodeError
        Where the body is no JSON.
    ValidationError
        Where it is no ranking of Metarank's, or too long.
    """
    asked: RankingEvent = RANKING_DECODER.decode(body)
    if len(asked.items) > MOST_CANDIDATES:
        raise ValidationError(f"Expected `array` of length <= {MOST_CANDIDATES} - at `$.items`")
    scored = [(item.id, item.score) for item in asked.items]
    candidates = [name if score is None else Candidate(name, score) for name, score in scored]
    return _made(RankRequest, candidates=candidates, user=asked.user, session=asked.session, explain=explain)


def answer_of(ranking: Ranking) -> RankAnswer:
    """Tell a ranking as Metarank does."""
    items = [Scored(each.id, each.score, each.contributions) for each in ranking.items]
    return RankAnswer(items, int(ranking.took_ms))


def _counts(interaction: InteractionEvent) -> bool:
    return interaction.user_id is not None and interaction.type != IMPRESSION


def _event(done: InteractionEvent) -> EventIn:
    return _made(
        EventIn,
        event_id=done.id,
        user_id=done.user_id,
        item_id=done.item,
        event=done.type,
        timestamp=float(done.timestamp),
    )


def _made(kind: Callable[..., T], **values: Any) -> T:
    """Make a request of ours; what it refuses is a mistake of Metarank's sender."""
    try:
        return kind(**values)
    except ValueError as why:
        raise ValidationError(str(why)) from None

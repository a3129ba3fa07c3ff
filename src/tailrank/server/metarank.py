"""Metarank's HTTP API on top of ours: its events in, its rankings out.

The shapes are those of Metarank 0.7 (https://docs.metarank.ai, "API"). If its documentation and its server
differ, its server counts: `features` of a response are an object, not a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, ValidationError

from tailrank import api
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
    """The content of a request to `/feedback`.

    Attributes
    ----------
    events
        Interactions of a user or a session.
    items
        Items to put, each once and with all its columns.
    accepted
        Metarank's events in the request, including those that nothing is stored of: users, rankings,
        impressions, interactions of nobody.
    """

    events: list[api.Event]
    items: list[api.Item]
    accepted: int


class FeedbackResponse(Struct, frozen=True):
    """Response of `/feedback`; `updated` counts what is stored."""

    status: Literal["ok"]
    accepted: int
    updated: int
    took: int = msgspec.field(name="tookMillis")


class ScoredItem(Struct, frozen=True):
    """An item of a ranking; `features` are the signals' contributions."""

    item: str
    score: float
    features: dict[str, float] | UnsetType = UNSET


class RankResponse(Struct, frozen=True):
    """Response of `/rank/{model}`: the best first, and how many whole milliseconds it took."""

    items: list[ScoredItem]
    took: int


def read_feedback(body: bytes, columns_of: Callable[[str], Mapping[str, api.Value]]) -> Feedback:
    """Read one event of Metarank's, an array, or one after the other as in JSON Lines.

    Parameters
    ----------
    body
        UTF-8.
    columns_of
        Returns the columns of an item as they are now, none for a new one: an item event names only the
        fields that change.

    Raises
    ------
    DecodeError, UnicodeDecodeError
        If the body is no JSON.
    ValidationError
        If it holds something else than events.
    """
    found = decode_events(body)
    events = [_event(each) for each in found if isinstance(each, InteractionEvent) and _is_stored(each)]
    items: dict[str, api.Item] = {}
    for each in sorted((one for one in found if isinstance(one, ItemEvent)), key=lambda one: one.timestamp):
        before = items.get(each.item) or columns_of(each.item)
        items[each.item] = {**before, **each.values, Columns.ITEM: each.item}
    return Feedback(events, list(items.values()), len(found))


def decode_events(body: bytes) -> list[MetarankEvent]:
    """Decode events, as `read_feedback` does."""
    if body.lstrip()[:1] == b"[":
        return LIST_DECODER.decode(body)
    return DECODER.decode_lines(body)


def read_rank_request(body: bytes, explain: bool = False) -> api.RankRequest:
    """Read a request to rank: candidates with their `relevancy` as upstream score.

    Raises
    ------
    DecodeError, UnicodeDecodeError
        If the body is no JSON.
    ValidationError
        If it is no ranking of Metarank's, or too long.
    """
    ranking: RankingEvent = RANKING_DECODER.decode(body)
    if len(ranking.items) > api.MAX_CANDIDATES:
        raise ValidationError(f"Expected `array` of length <= {api.MAX_CANDIDATES} - at `$.items`")
    scored = [(item.id, item.score) for item in ranking.items]
    candidates = [name if score is None else api.Candidate(name, score) for name, score in scored]
    who = {"user": ranking.user, "session": ranking.session}
    return _convert(api.RankRequest, candidates=candidates, explain=explain, **who)


def rank_response(ranking: api.Ranking) -> RankResponse:
    """Convert a ranking to the shape of Metarank's."""
    items = [ScoredItem(each.id, each.score, each.contributions) for each in ranking.items]
    return RankResponse(items, int(ranking.took_ms))


def _is_stored(interaction: InteractionEvent) -> bool:
    return interaction.user_id is not None and interaction.type != IMPRESSION


def _event(interaction: InteractionEvent) -> api.Event:
    return _convert(
        api.Event,
        event_id=interaction.id,
        user_id=interaction.user_id,
        item_id=interaction.item,
        event=interaction.type,
        timestamp=float(interaction.timestamp),
    )


def _convert(target: Callable[..., T], **values: Any) -> T:
    """Make one of our shapes; what it refuses is a mistake of the sender."""
    try:
        return target(**values)
    except ValueError as why:
        raise ValidationError(str(why)) from None

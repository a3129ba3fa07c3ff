"""Metarank's HTTP API on top of ours: its events in, its rankings out.

The shapes are those of Metarank 0.7 (https://docs.metarank.ai, "API"). If its documentation and its server
differ, its server counts: `features` of a response are an object, not a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, ParamSpec, TypeVar

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

P = ParamSpec("P")
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
        impressions, interactions without a user.
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
    is_array = body.lstrip()[:1] == b"["
    found: list[MetarankEvent] = LIST_DECODER.decode(body) if is_array else DECODER.decode_lines(body)
    events = []
    for each in found:
        if isinstance(each, InteractionEvent) and each.user_id is not None and each.type != IMPRESSION:
            values = (each.id, each.user_id, each.item, each.type, float(each.timestamp))
            events.append(_convert(api.Event, *values))
    items: dict[str, api.Item] = {}
    for each in sorted((one for one in found if isinstance(one, ItemEvent)), key=lambda one: one.timestamp):
        before = items.get(each.item) or columns_of(each.item)
        items[each.item] = {**before, **each.values, Columns.ITEM: each.item}
    return Feedback(events, list(items.values()), len(found))


def read_rank_request(body: bytes, explain: bool = False) -> api.RankRequest:
    """Read a request to rank: candidates with their `relevancy` as upstream score.

    Raises
    ------
    DecodeError, UnicodeDecodeError, ValidationError
        As `read_feedback`, and if there are too many candidates.
    """
    ranking: RankingEvent = RANKING_DECODER.decode(body)
    if len(ranking.items) > api.MAX_CANDIDATES:
        raise ValidationError(f"Expected `array` of length <= {api.MAX_CANDIDATES} - at `$.items`")
    candidates = [i.id if i.score is None else api.Candidate(i.id, i.score) for i in ranking.items]
    return _convert(api.RankRequest, candidates, ranking.user, ranking.session, explain=explain)


def rank_response(ranking: api.Ranking) -> RankResponse:
    """Convert a ranking to the shape of Metarank's."""
    items = [ScoredItem(each.id, each.score, each.contributions) for each in ranking.items]
    return RankResponse(items, int(ranking.took_ms))


def _convert(target: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    """Make one of our shapes; what it refuses is a mistake of the sender."""
    try:
        return target(*values, **named)
    except ValueError as why:
        raise ValidationError(str(why)) from None

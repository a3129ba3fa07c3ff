"""Metarank's HTTP API on top of ours: its events in, its rankings out.

The shapes are those of Metarank 0.7 (https://docs.metarank.ai, "API"). If its documentation and its server
differ, its server counts: `features` of a response are an object, not a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, ParamSpec, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError

from tailrank import api, api_stored
from tailrank.data.columns import Columns
from tailrank.data.imports.metarank_schema import IMPRESSION
from tailrank.server.batches import Batch
from tailrank.server.metarank_bodies import FEEDBACK, RANKING, InteractionBody, ItemBody

CONTEXT: Final[Any] = Annotated[api.Context, Meta(max_length=api.MAX_CONTEXT)]
P = ParamSpec("P")
T = TypeVar("T")


class Feedback(NamedTuple):
    """The content of a request to `/feedback`.

    Attributes
    ----------
    events
        Interactions of a user or a session.
    items
        Items to put, each once and with all its columns; its position is that of its latest event.
    refused
        Metarank's events that can't be read.
    n_events
        How many there are in all, including those that nothing is stored of: users, rankings, impressions,
        interactions without a user.
    """

    events: Batch[api_stored.Event]
    items: Batch[api_stored.Item]
    refused: Sequence[api_stored.Refused]
    n_events: int


class FeedbackResponse(Struct, frozen=True):
    """Response of `/feedback`: `updated` counts what is stored, `refused` lists what couldn't be read."""

    status: Literal["ok"]
    accepted: int
    updated: int
    took: int = msgspec.field(name="tookMillis")
    refused: list[api_stored.Refused] | UnsetType = UNSET


class ScoredItem(Struct, frozen=True):
    """An item of a ranking; `features` are the signals' contributions."""

    item: str
    score: float
    features: dict[str, float] | UnsetType = UNSET


class RankResponse(Struct, frozen=True):
    """Response of `/rank/{model}`: the best first, and how many whole milliseconds it took."""

    items: list[ScoredItem]
    took: int


def read_feedback(body: bytes, columns_of: Callable[[str], Mapping[str, Any]]) -> Feedback:
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
    """
    found = FEEDBACK.decode(body)
    interactions: dict[int, InteractionBody] = {}
    changes: list[tuple[int, ItemBody]] = []
    for position, event in zip(found.positions, found.entries, strict=True):
        if isinstance(event, InteractionBody) and event.user_id is not None and event.type != IMPRESSION:
            interactions[position] = event
        elif isinstance(event, ItemBody):
            changes.append((position, event))
    items: dict[str, tuple[int, api_stored.Item]] = {}
    for position, change in sorted(changes, key=lambda one: one[1].timestamp):
        before = items[change.item][1] if change.item in items else columns_of(change.item)
        items[change.item] = position, {**before, **change.values, Columns.ITEM: change.item}
    return Feedback(
        Batch(list(interactions.values()), list(interactions)).map(_event),
        Batch([item for _, item in items.values()], [position for position, _ in items.values()]),
        found.refused,
        len(found.entries) + len(found.refused),
    )


def read_rank_request(body: bytes, explain: bool = False) -> api.RankRequest:
    """Read a request to rank: candidates with their `relevancy` as upstream score, and the id of the list.

    Its fields are the context, but for lists: rules go by single values.

    Raises
    ------
    DecodeError, UnicodeDecodeError, ValidationError
        As `read_feedback`, and if there are too many candidates.
    """
    ranking = RANKING.decode(body)
    if len(ranking.items) > api.MAX_CANDIDATES:
        raise ValidationError(f"Expected `array` of length <= {api.MAX_CANDIDATES} - at `$.items`")
    candidates = [i.id if i.score is None else api.Candidate(i.id, i.score) for i in ranking.items]
    fields = {each.name: each.value for each in ranking.fields or () if not isinstance(each.value, list)}
    try:
        context = msgspec.convert(fields, CONTEXT)
    except ValidationError as why:
        raise ValidationError(f"`fields`: {why}") from None
    return _convert(
        api.RankRequest,
        candidates,
        ranking.user,
        ranking.session,
        explain=explain,
        context=context,
        ranking_id=ranking.id,
    )


def _event(found: InteractionBody) -> api_stored.Event:
    values = (found.id, found.user_id or "", found.item, found.type, float(found.timestamp))
    return _convert(api_stored.Event, *values, ranking_id=found.ranking)


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

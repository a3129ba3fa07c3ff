"""Requests to a tailrank server, and the types of their responses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import msgspec

from tailrank import api

T = TypeVar("T")


class Request(NamedTuple, Generic[T]):
    """One HTTP request, and the type of its response's body."""

    method: str
    path: str
    response: type[T]
    body: bytes | None = None


class RankOptions(TypedDict, total=False):
    """Options of a request to rank.

    Attributes
    ----------
    user, session
        Whose stored history counts.
    history
        Events after the stored ones, oldest first.
    k
        Length of the list to return; all by default.
    tail
        Strength of the long-tail policy, 0 to 1; by default the model's own.
    explain
        Whether to say where each score comes from.
    deadline_ms
        Milliseconds after which the candidates' own order is better than a late response.
    """

    user: str | None
    session: str | None
    history: Sequence[str | api.HistoryEvent]
    k: int | None
    tail: float | None
    explain: bool
    deadline_ms: float | None


class RerankOptions(TypedDict, total=False):
    """Options of a request to order texts: a query or a user at least.

    Attributes
    ----------
    query
        What the texts should be relevant to.
    user
        Whose stored history they should fit.
    top_n
        How many to return; all by default.
    return_documents
        Whether the response includes the texts.
    """

    query: str | None
    user: str | None
    top_n: int | None
    return_documents: bool


def rank_request(
    candidates: Sequence[str | api.Candidate], **options: Unpack[RankOptions]
) -> Request[api.Ranking]:
    """Make a request to re-order candidates for one user.

    Parameters
    ----------
    candidates
        Ids in the order of the recommender that found them, or `api.Candidate` with its scores.
    options
        See `RankOptions`.

    Examples
    --------
    >>> rank_request(["p1", api.Candidate("t3", 0.7)], user="ada", k=1).path
    '/v1/rank'
    """
    fields: dict[str, Any] = {**options, "history": list(options.get("history", ()))}
    tail = fields.pop("tail", None)
    policy = None if tail is None else api.Policy(tail)
    return _post("/v1/rank", api.RankRequest(list(candidates), policy=policy, **fields), api.Ranking)


def rerank_request(documents: Sequence[str], **options: Unpack[RerankOptions]) -> Request[api.RerankResponse]:
    """Make a request to order texts; `options` as in `RerankOptions`."""
    return _post("/v1/rerank", api.RerankRequest(list(documents), **options), api.RerankResponse)


def events_request(events: Sequence[api.Event]) -> Request[api.EventsAccepted]:
    """Make a request to store events: at most 1,000."""
    return _post("/v1/events", list(events), api.EventsAccepted)


def items_request(items: Sequence[Mapping[str, api.Value]]) -> Request[api.ItemsAccepted]:
    """Make a request to put items, each with `item_id` and its other columns: at most 1,000."""
    return _post("/v1/items", [dict(item) for item in items], api.ItemsAccepted)


def new_event(user_id: str, item_id: str, event_type: str = "click", value: float | None = None) -> api.Event:
    """Make an event that happens now, with a random id."""
    return api.Event(uuid.uuid4().hex, user_id, item_id, event_type, time.time(), value)


def delete_request(item_id: str) -> Request[api.ItemsAccepted]:
    """Make a request to delete an item."""
    return Request("DELETE", _path("items", item_id), api.ItemsAccepted)


def history_request(user_id: str) -> Request[api.UserHistory]:
    """Make a request for what is stored of a user."""
    return Request("GET", _path("users", user_id), api.UserHistory)


def erase_request(user_id: str) -> Request[api.UserErased]:
    """Make a request to erase what is stored of a user."""
    return Request("DELETE", _path("users", user_id), api.UserErased)


def _post(path: str, body: Any, response: type[T]) -> Request[T]:
    return Request("POST", path, response, msgspec.json.encode(body))


def _path(collection: str, name: str) -> str:
    return f"/v1/{collection}/{quote(name, safe='')}"

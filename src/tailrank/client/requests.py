"""Requests to a tailrank server, and what their answers hold."""

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
    """One request, and what its answer holds."""

    method: str
    path: str
    gives: type[T]
    body: bytes | None = None


class RankOptions(TypedDict, total=False):
    """What a request to rank may say beside its candidates.

    Attributes
    ----------
    user, session
        Whose stored history counts.
    history
        What comes after it, oldest first.
    k
        Length of the list to return; all by default.
    tail
        Dial of the long-tail policy, 0 to 1; by default the model's own.
    explain
        Whether to say where each score comes from.
    deadline_ms
        After how many milliseconds the candidates' own order is better than a late answer.
    """

    user: str | None
    session: str | None
    history: Sequence[str | api.HistoryEvent]
    k: int | None
    tail: float | None
    explain: bool
    deadline_ms: float | None


class RerankOptions(TypedDict, total=False):
    """What a request to order texts may say beside them: a query or a user at least.

    Attributes
    ----------
    query
        What the texts should fit.
    user
        Whose stored history they should fit.
    top_n
        How many to return; all by default.
    return_documents
        Whether the texts come back, too.
    """

    query: str | None
    user: str | None
    top_n: int | None
    return_documents: bool


def rank_request(
    candidates: Sequence[str | api.Candidate], **how: Unpack[RankOptions]
) -> Request[api.Ranking]:
    """Ask to re-order candidates for one person.

    Parameters
    ----------
    candidates
        Ids in the order of the recommender that found them, or `api.Candidate` with its scores.
    how
        See `RankOptions`.

    Examples
    --------
    >>> rank_request(["p1", api.Candidate("t3", 0.7)], user="ada", k=1).path
    '/v1/rank'
    """
    told: dict[str, Any] = {**how, "history": list(how.get("history", ()))}
    tail = told.pop("tail", None)
    policy = None if tail is None else api.Policy(tail)
    return _post("/v1/rank", api.RankRequest(list(candidates), policy=policy, **told), api.Ranking)


def rerank_request(documents: Sequence[str], **how: Unpack[RerankOptions]) -> Request[api.Reranked]:
    """Ask to order texts; `how` as in `RerankOptions`."""
    return _post("/v1/rerank", api.RerankRequest(list(documents), **how), api.Reranked)


def events_request(events: Sequence[api.EventIn]) -> Request[api.EventsKept]:
    """Ask to keep events: at most 1,000."""
    return _post("/v1/events", list(events), api.EventsKept)


def items_request(items: Sequence[Mapping[str, api.Value]]) -> Request[api.ItemsKept]:
    """Ask to put items, each with `item_id` and its other columns: at most 1,000."""
    return _post("/v1/items", [dict(item) for item in items], api.ItemsKept)


def event(user_id: str, item_id: str, kind: str = "click", value: float | None = None) -> api.EventIn:
    """Describe what somebody does now, with an id of its own."""
    return api.EventIn(uuid.uuid4().hex, user_id, item_id, kind, time.time(), value)


def delete_request(item_id: str) -> Request[api.ItemsKept]:
    """Ask to forget an item."""
    return _named("DELETE", "items", item_id, api.ItemsKept)


def history_request(user_id: str) -> Request[api.UserHistory]:
    """Ask for what is stored of a person."""
    return _named("GET", "users", user_id, api.UserHistory)


def erase_request(user_id: str) -> Request[api.Erased]:
    """Ask to forget a person."""
    return _named("DELETE", "users", user_id, api.Erased)


def _post(path: str, given: Any, gives: type[T]) -> Request[T]:
    return Request("POST", path, gives, msgspec.json.encode(given))


def _named(method: str, what: str, name: str, gives: type[T]) -> Request[T]:
    return Request(method, f"/v1/{what}/{quote(name, safe='')}", gives)

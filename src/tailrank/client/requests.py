"""Requests to a tailrank server, and what their answers hold."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import msgspec

from tailrank.server import wire

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
    history: Sequence[str | wire.Taken]
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
    candidates: Sequence[str | wire.Candidate], **how: Unpack[RankOptions]
) -> Request[wire.Ranking]:
    """Ask to re-order candidates for one person.

    Parameters
    ----------
    candidates
        Ids in the order of the recommender that found them, or `wire.Candidate` with its scores.
    how
        See `RankOptions`.

    Examples
    --------
    >>> rank_request(["p1", wire.Candidate("t3", 0.7)], user="ada", k=1).path
    '/v1/rank'
    """
    told: dict[str, Any] = {**how, "history": list(how.get("history", ()))}
    tail = told.pop("tail", None)
    policy = None if tail is None else wire.Policy(tail)
    return _post("/v1/rank", wire.RankRequest(list(candidates), policy=policy, **told), wire.Ranking)


def rerank_request(documents: Sequence[str], **how: Unpack[RerankOptions]) -> Request[wire.Reranked]:
    """Ask to order texts; `how` as in `RerankOptions`."""
    return _post("/v1/rerank", wire.RerankRequest(list(documents), **how), wire.Reranked)


def events_request(events: Sequence[wire.EventIn]) -> Request[wire.EventsKept]:
    """Ask to keep events: at most 1,000."""
    return _post("/v1/events", list(events), wire.EventsKept)


def items_request(items: Sequence[Mapping[str, wire.Value]]) -> Request[wire.ItemsKept]:
    """Ask to put items, each with `item_id` and its other columns: at most 1,000."""
    return _post("/v1/items", [dict(item) for item in items], wire.ItemsKept)


def event(user_id: str, item_id: str, kind: str = "click", value: float | None = None) -> wire.EventIn:
    """Describe what somebody does now, with an id of its own."""
    return wire.EventIn(uuid.uuid4().hex, user_id, item_id, kind, time.time(), value)


def delete_request(item_id: str) -> Request[wire.ItemsKept]:
    """Ask to forget an item."""
    return _named("DELETE", "items", item_id, wire.ItemsKept)


def past_request(user_id: str) -> Request[wire.Past]:
    """Ask for what is stored of a person."""
    return _named("GET", "users", user_id, wire.Past)


def erase_request(user_id: str) -> Request[wire.Erased]:
    """Ask to forget a person."""
    return _named("DELETE", "users", user_id, wire.Erased)


def _post(path: str, given: Any, gives: type[T]) -> Request[T]:
    return Request("POST", path, gives, msgspec.json.encode(given))


def _named(method: str, what: str, name: str, gives: type[T]) -> Request[T]:
    return Request(method, f"/v1/{what}/{quote(name, safe='')}", gives)

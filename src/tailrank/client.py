"""Clients of a tailrank server, one that blocks and one for asyncio, with the same methods.

Whatever is sent again after a failure has the effect of having been sent once: rankings change nothing, items
are put, and events are known by their ids.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx
import msgspec

from tailrank.errors import TailrankError
from tailrank.server import wire

RETRIED: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may go better."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
"""Seconds: between two attempts lies a random time up to a bound that doubles (full jitter)."""

T = TypeVar("T")


class ServerError(TailrankError):
    """The server can't be reached, or refused a request.

    Attributes
    ----------
    status
        Of HTTP; None where there was no answer.
    """

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


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


class _Calls:
    """What both clients share: settings, and how an answer is understood."""

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._how: dict[str, Any] = {"base_url": url, "headers": headers, "timeout": timeout}
        self._retries = retries

    def _pause(self, attempt: int, failed: httpx.Response | httpx.TransportError) -> float | None:
        """Say how long to wait before the next attempt; None where there is to be none."""
        if attempt >= self._retries:
            return None
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
        if isinstance(failed, httpx.Response):
            if failed.status_code not in RETRIED:
                return None
            told = failed.headers.get("retry-after", "")
            if told.isdecimal():
                return min(LONGEST_PAUSE, float(told)) + random.uniform(0, bound)  # noqa: S311
        return random.uniform(0, bound)  # noqa: S311 - spreads load, guards nothing

    def _understood(self, request: Request[T], answer: httpx.Response | httpx.TransportError) -> T:
        """Decode the answer.

        Raises
        ------
        ServerError
            Where there is none, it is a refusal, or not tailrank's.
        """
        where = f"{request.method} {self._how['base_url']}{request.path}"
        if isinstance(answer, httpx.TransportError):
            why = str(answer) or type(answer).__name__
            raise ServerError(f"{where}: no answer ({why}): does the server run?")
        try:
            if answer.is_success:
                return msgspec.json.decode(answer.content, type=request.gives)
            why = msgspec.json.decode(answer.content, type=wire.Problem).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            why = f"{answer.reason_phrase or 'no reason given'}, not as a tailrank server says it"
        raise ServerError(f"{where}: {answer.status_code}: {why}", answer.status_code)


class Client(_Calls):
    """Blocks until the server has answered.

    Parameters
    ----------
    url
        Such as ``http://localhost:8000``.
    key
        API key, where the server asks for one.
    timeout
        Seconds for each attempt.
    retries
        Attempts after the first one, where there was no answer or the server was busy.

    Examples
    --------
    ::

        with Client("http://localhost:8000") as client:
            client.keep(event("ada", "t1"))
            ranking = client.rank(["p1", "t3"], user="ada")
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 5.0, retries: int = 3) -> None:
        super().__init__(url, key, timeout, retries)
        self._http = httpx.Client(**self._how)

    def send(self, request: Request[T]) -> T:
        """Send a request, again where that may help.

        Raises
        ------
        ServerError
            Where the server can't be reached, or refuses.
        """
        attempt = 0
        while True:
            found = self._once(request)
            pause = (
                None
                if isinstance(found, httpx.Response) and found.is_success
                else self._pause(attempt, found)
            )
            if pause is None:
                return self._understood(request, found)
            time.sleep(pause)
            attempt += 1

    def rank(self, candidates: Sequence[str | wire.Candidate], **how: Unpack[RankOptions]) -> wire.Ranking:
        """Re-order candidates; takes what `rank_request` takes."""
        return self.send(rank_request(candidates, **how))

    def rerank(self, documents: Sequence[str], **how: Unpack[RerankOptions]) -> wire.Reranked:
        """Order texts; takes what `rerank_request` takes."""
        return self.send(rerank_request(documents, **how))

    def keep(self, *events: wire.EventIn) -> wire.EventsKept:
        """Keep events: durable, once this returns."""
        return self.send(events_request(events))

    def put(self, *items: Mapping[str, wire.Value]) -> wire.ItemsKept:
        """Put items: rankable, once this returns."""
        return self.send(items_request(items))

    def delete(self, item_id: str) -> wire.ItemsKept:
        """Forget an item."""
        return self.send(_named("DELETE", "items", item_id, wire.ItemsKept))

    def past(self, user_id: str) -> wire.Past:
        """Export what is stored of a person."""
        return self.send(_named("GET", "users", user_id, wire.Past))

    def erase(self, user_id: str) -> wire.Erased:
        """Forget a person."""
        return self.send(_named("DELETE", "users", user_id, wire.Erased))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _once(self, request: Request[T]) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed


class AsyncClient(_Calls):
    """The same for asyncio; parameters as `Client` has them."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 5.0, retries: int = 3) -> None:
        super().__init__(url, key, timeout, retries)
        self._http = httpx.AsyncClient(**self._how)

    async def send(self, request: Request[T]) -> T:
        """Send a request, again where that may help.

        Raises
        ------
        ServerError
            Where the server can't be reached, or refuses.
        """
        attempt = 0
        while True:
            found = await self._once(request)
            pause = (
                None
                if isinstance(found, httpx.Response) and found.is_success
                else self._pause(attempt, found)
            )
            if pause is None:
                return self._understood(request, found)
            await asyncio.sleep(pause)
            attempt += 1

    async def rank(
        self, candidates: Sequence[str | wire.Candidate], **how: Unpack[RankOptions]
    ) -> wire.Ranking:
        """Re-order candidates; takes what `rank_request` takes."""
        return await self.send(rank_request(candidates, **how))

    async def rerank(self, documents: Sequence[str], **how: Unpack[RerankOptions]) -> wire.Reranked:
        """Order texts; takes what `rerank_request` takes."""
        return await self.send(rerank_request(documents, **how))

    async def keep(self, *events: wire.EventIn) -> wire.EventsKept:
        """Keep events: durable, once this returns."""
        return await self.send(events_request(events))

    async def put(self, *items: Mapping[str, wire.Value]) -> wire.ItemsKept:
        """Put items: rankable, once this returns."""
        return await self.send(items_request(items))

    async def delete(self, item_id: str) -> wire.ItemsKept:
        """Forget an item."""
        return await self.send(_named("DELETE", "items", item_id, wire.ItemsKept))

    async def past(self, user_id: str) -> wire.Past:
        """Export what is stored of a person."""
        return await self.send(_named("GET", "users", user_id, wire.Past))

    async def erase(self, user_id: str) -> wire.Erased:
        """Forget a person."""
        return await self.send(_named("DELETE", "users", user_id, wire.Erased))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _once(self, request: Request[T]) -> httpx.Response | httpx.TransportError:
        try:
            return await self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed


def _post(path: str, given: Any, gives: type[T]) -> Request[T]:
    return Request("POST", path, gives, msgspec.json.encode(given))


def _named(method: str, what: str, name: str, gives: type[T]) -> Request[T]:
    return Request(method, f"/v1/{what}/{quote(name, safe='')}", gives)

"""Clients of a tailrank server, one that blocks and one for asyncio, with the same methods.

Whatever is sent again after a failure has the effect of having been sent once: rankings change nothing, items
are put, and events are known by their ids.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar, Unpack

import httpx
import msgspec

from tailrank import api
from tailrank.client import requests as ask
from tailrank.client.requests import RankOptions, Request, RerankOptions, event
from tailrank.errors import TailrankError

__all__ = ["AsyncClient", "Client", "ServerError", "event"]

RETRIED: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may go better."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
"""Seconds: between two attempts lies a random time up to a bound that doubles (full jitter)."""

T = TypeVar("T")
Found: TypeAlias = httpx.Response | httpx.TransportError
"""What came of an attempt."""


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


class _Calls:
    """What both clients share: settings, and how an answer is understood."""

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._how: dict[str, Any] = {"base_url": url, "headers": headers, "timeout": timeout}
        self._retries = retries

    def _pause(self, attempt: int, found: Found) -> float | None:
        """Say how long to wait before the next attempt; None where there is to be none."""
        if attempt >= self._retries:
            return None
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
        if isinstance(found, httpx.Response):
            if found.status_code not in RETRIED:
                return None
            told = found.headers.get("retry-after", "")
            if told.isdecimal():
                return min(LONGEST_PAUSE, float(told)) + random.uniform(0, bound)  # noqa: S311
        return random.uniform(0, bound)  # noqa: S311 - spreads load, guards nothing

    def _understood(self, request: Request[T], answer: Found) -> T:
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
            why = msgspec.json.decode(answer.content, type=api.Problem).error
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
        for attempt in count():
            found = self._once(request)
            pause = self._pause(attempt, found)
            if pause is None:
                break
            time.sleep(pause)
        return self._understood(request, found)

    def rank(self, candidates: Sequence[str | api.Candidate], **how: Unpack[RankOptions]) -> api.Ranking:
        """Re-order candidates; takes what `rank_request` takes."""
        return self.send(ask.rank_request(candidates, **how))

    def rerank(self, documents: Sequence[str], **how: Unpack[RerankOptions]) -> api.Reranked:
        """Order texts; takes what `rerank_request` takes."""
        return self.send(ask.rerank_request(documents, **how))

    def keep(self, *events: api.EventIn) -> api.EventsKept:
        """Keep events: durable, once this returns."""
        return self.send(ask.events_request(events))

    def put(self, *items: Mapping[str, api.Value]) -> api.ItemsKept:
        """Put items: rankable, once this returns."""
        return self.send(ask.items_request(items))

    def delete(self, item_id: str) -> api.ItemsKept:
        """Forget an item."""
        return self.send(ask.delete_request(item_id))

    def history(self, user_id: str) -> api.UserHistory:
        """Export what is stored of a person."""
        return self.send(ask.history_request(user_id))

    def erase(self, user_id: str) -> api.Erased:
        """Forget a person."""
        return self.send(ask.erase_request(user_id))

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _once(self, request: Request[T]) -> Found:
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
        for attempt in count():
            found = await self._once(request)
            pause = self._pause(attempt, found)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return self._understood(request, found)

    async def rank(
        self, candidates: Sequence[str | api.Candidate], **how: Unpack[RankOptions]
    ) -> api.Ranking:
        """Re-order candidates; takes what `rank_request` takes."""
        return await self.send(ask.rank_request(candidates, **how))

    async def rerank(self, documents: Sequence[str], **how: Unpack[RerankOptions]) -> api.Reranked:
        """Order texts; takes what `rerank_request` takes."""
        return await self.send(ask.rerank_request(documents, **how))

    async def keep(self, *events: api.EventIn) -> api.EventsKept:
        """Keep events: durable, once this returns."""
        return await self.send(ask.events_request(events))

    async def put(self, *items: Mapping[str, api.Value]) -> api.ItemsKept:
        """Put items: rankable, once this returns."""
        return await self.send(ask.items_request(items))

    async def delete(self, item_id: str) -> api.ItemsKept:
        """Forget an item."""
        return await self.send(ask.delete_request(item_id))

    async def history(self, user_id: str) -> api.UserHistory:
        """Export what is stored of a person."""
        return await self.send(ask.history_request(user_id))

    async def erase(self, user_id: str) -> api.Erased:
        """Forget a person."""
        return await self.send(ask.erase_request(user_id))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _once(self, request: Request[T]) -> Found:
        try:
            return await self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed

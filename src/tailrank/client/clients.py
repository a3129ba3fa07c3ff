"""The two clients: the same methods, blocking or for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from tailrank import api
from tailrank.client import requests
from tailrank.client.exchange import BaseClient, Outcome
from tailrank.client.requests import RankOptions, Request, RerankOptions

T = TypeVar("T")


class Client(BaseClient):
    """Blocks until the server has responded.

    Parameters
    ----------
    url
        Such as ``http://localhost:8000``.
    key
        API key, if the server asks for one.
    timeout
        Seconds for each attempt.
    retries
        Attempts after the first one, if there was no response or the server was busy.

    Examples
    --------
    ::

        with Client("http://localhost:8000") as client:
            client.add_events(new_event("ada", "t1"))
            ranking = client.rank(["p1", "t3"], user="ada")
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 5.0, retries: int = 3) -> None:
        super().__init__(url, key, timeout, retries)
        self._http = httpx.Client(**self._options)

    def send(self, request: Request[T]) -> T:
        """Send a request, again if that may help.

        Raises
        ------
        ServerError
            If the server can't be reached, or refuses.
        """
        for attempt in count():
            outcome = self._attempt(request)
            pause = self._pause(attempt, outcome)
            if pause is None:
                break
            time.sleep(pause)
        return self._decode(request, outcome)

    def rank(self, candidates: Sequence[str | api.Candidate], **options: Unpack[RankOptions]) -> api.Ranking:
        """Re-order candidates; parameters as `rank_request`."""
        return self.send(requests.rank_request(candidates, **options))

    def rerank(self, documents: Sequence[str], **options: Unpack[RerankOptions]) -> api.RerankResponse:
        """Order texts; parameters as `rerank_request`."""
        return self.send(requests.rerank_request(documents, **options))

    def add_events(self, *events: api.Event) -> api.EventsAccepted:
        """Store events: they are durable once this returns."""
        return self.send(requests.events_request(events))

    def put_items(self, *items: Mapping[str, api.Value]) -> api.ItemsAccepted:
        """Put items: they can be ranked once this returns."""
        return self.send(requests.items_request(items))

    def delete_item(self, item_id: str) -> api.ItemsAccepted:
        """Delete an item."""
        return self.send(requests.delete_request(item_id))

    def history(self, user_id: str) -> api.UserHistory:
        """Export what is stored of a user."""
        return self.send(requests.history_request(user_id))

    def erase_user(self, user_id: str) -> api.UserErased:
        """Erase what is stored of a user."""
        return self.send(requests.erase_request(user_id))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, request: Request[T]) -> Outcome:
        try:
            return self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed


class AsyncClient(BaseClient):
    """The same as `Client` for asyncio; parameters as there."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 5.0, retries: int = 3) -> None:
        super().__init__(url, key, timeout, retries)
        self._http = httpx.AsyncClient(**self._options)

    async def send(self, request: Request[T]) -> T:
        """Send a request, again if that may help.

        Raises
        ------
        ServerError
            If the server can't be reached, or refuses.
        """
        for attempt in count():
            outcome = await self._attempt(request)
            pause = self._pause(attempt, outcome)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return self._decode(request, outcome)

    async def rank(
        self, candidates: Sequence[str | api.Candidate], **options: Unpack[RankOptions]
    ) -> api.Ranking:
        """Re-order candidates; parameters as `rank_request`."""
        return await self.send(requests.rank_request(candidates, **options))

    async def rerank(self, documents: Sequence[str], **options: Unpack[RerankOptions]) -> api.RerankResponse:
        """Order texts; parameters as `rerank_request`."""
        return await self.send(requests.rerank_request(documents, **options))

    async def add_events(self, *events: api.Event) -> api.EventsAccepted:
        """Store events: they are durable once this returns."""
        return await self.send(requests.events_request(events))

    async def put_items(self, *items: Mapping[str, api.Value]) -> api.ItemsAccepted:
        """Put items: they can be ranked once this returns."""
        return await self.send(requests.items_request(items))

    async def delete_item(self, item_id: str) -> api.ItemsAccepted:
        """Delete an item."""
        return await self.send(requests.delete_request(item_id))

    async def history(self, user_id: str) -> api.UserHistory:
        """Export what is stored of a user."""
        return await self.send(requests.history_request(user_id))

    async def erase_user(self, user_id: str) -> api.UserErased:
        """Erase what is stored of a user."""
        return await self.send(requests.erase_request(user_id))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _attempt(self, request: Request[T]) -> Outcome:
        try:
            return await self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed

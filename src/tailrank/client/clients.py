"""The two clients: the same methods, blocking or for asyncio."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final, Generic, Self, TypeAlias, TypeVar

import httpx
import msgspec

from tailrank import api, api_stored
from tailrank.client.requests import Requests
from tailrank.client.sending import Request
from tailrank.errors import TailrankError

RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
"""After which the same request may succeed."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
"""Seconds: between two attempts lies a random time up to a bound that doubles (full jitter)."""

T = TypeVar("T")
H = TypeVar("H", httpx.Client, httpx.AsyncClient)
Accepted: TypeAlias = api_stored.EventsAccepted | api_stored.ImpressionsAccepted | api_stored.ItemsAccepted
Outcome: TypeAlias = httpx.Response | httpx.TransportError
"""Of one attempt."""


class ServerError(TailrankError):
    """The server can't be reached, or refused a request.

    Attributes
    ----------
    status
        HTTP status; None if there was no response.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RefusedEntriesError(ServerError):
    """The server refused some entries of a list, and took the others.

    Attributes
    ----------
    refused
        The entries, each with its index in the call and what is wrong.
    response
        What the server answered of the others.
    """

    def __init__(self, called: str, response: Accepted) -> None:
        self.refused = response.refused or []
        self.response = response
        faults = "; ".join(f"entry {each.index}: {each.error}" for each in self.refused[:3])
        super().__init__(
            f"{called}: took {response.accepted} entries and refused {len(self.refused)}: {faults}", 200
        )


class BaseClient(Requests, Generic[H]):
    """A client's settings, and when it sends a request again.

    What is sent again has the effect of having been sent once: rankings change nothing, items are put, and
    events are known by their ids.

    Parameters
    ----------
    url
        Such as ``http://localhost:8000``.
    key
        API key, if the server requires one.
    timeout
        Seconds for each attempt.
    retries
        Attempts after the first one, if there was no response or the server was busy.

    Raises
    ------
    ServerError
        If the URL isn't one of HTTP.
    """

    _connect: type[H]

    def __init__(self, url: str, key: str | None = None, timeout: float = 5.0, retries: int = 3) -> None:
        if not url.startswith(("http://", "https://")):
            raise ServerError(f"{url}: write the server's address with http:// or https:// before it")
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._url, self._retries = url, retries
        self._http: H = self._connect(base_url=url, headers=headers, timeout=timeout)

    def _pause(self, attempt: int, outcome: Outcome) -> float | None:
        """Return the seconds to wait before the next attempt; None if there is to be none."""
        if attempt >= self._retries:
            return None
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
        if isinstance(outcome, httpx.Response):
            if outcome.status_code not in RETRIED_STATUSES:
                return None
            retry_after = outcome.headers.get("retry-after", "")
            if retry_after.isdecimal():
                return min(LONGEST_PAUSE, float(retry_after)) + random.uniform(0, bound)  # noqa: S311
        return random.uniform(0, bound)  # noqa: S311 - spreads load, guards nothing

    def _decode(self, request: Request[T], outcome: Outcome) -> T:
        """Decode the response.

        Raises
        ------
        RefusedEntriesError
            If some of what was sent is refused.
        ServerError
            If there is no response, it is a refusal, or not tailrank's.
        """
        called = f"{request.method} {self._url}{request.path}"
        if isinstance(outcome, httpx.TransportError):
            why = str(outcome) or type(outcome).__name__
            raise ServerError(f"{called}: no answer ({why}): does the server run?")
        try:
            if outcome.is_success:
                return _checked(called, msgspec.json.decode(outcome.content, type=request.response))
            why = msgspec.json.decode(outcome.content, type=api.ErrorResponse).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            why = f"{outcome.reason_phrase or 'no reason given'}, not the response of a tailrank server"
        raise ServerError(f"{called}: {outcome.status_code}: {why}", outcome.status_code)


class Client(BaseClient[httpx.Client]):
    """Blocks until the server has responded; parameters as `BaseClient`, methods as `Requests`.

    Examples
    --------
    ::

        with Client("http://localhost:8000") as client:
            client.add_events(new_event("ada", "t1"))
            ranking = client.rank(["p1", "t3"], user="ada")
    """

    _connect = httpx.Client

    def send(self, request: Request[T]) -> T:
        """Send a request, again if that may help.

        Raises
        ------
        RefusedEntriesError
            If the server refuses some of the events or items.
        ServerError
            If the server can't be reached, or refuses.
        """
        attempt, outcome = 0, self._attempt(request)
        while (pause := self._pause(attempt, outcome)) is not None:
            time.sleep(pause)
            attempt, outcome = attempt + 1, self._attempt(request)
        return self._decode(request, outcome)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempt(self, request: Request[T]) -> Outcome:
        try:
            return self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed


class AsyncClient(BaseClient[httpx.AsyncClient]):
    """The same as `Client` for asyncio."""

    _connect = httpx.AsyncClient

    async def send(self, request: Request[T]) -> T:
        """Send a request, as `Client.send`."""
        attempt, outcome = 0, await self._attempt(request)
        while (pause := self._pause(attempt, outcome)) is not None:
            await asyncio.sleep(pause)
            attempt, outcome = attempt + 1, await self._attempt(request)
        return self._decode(request, outcome)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _attempt(self, request: Request[T]) -> Outcome:
        try:
            return await self._http.request(request.method, request.path, content=request.body)
        except httpx.TransportError as failed:
            return failed


def _checked(called: str, response: T) -> T:
    """Raise RefusedEntriesError if a part of what was sent is lost: nobody would look for it."""
    if isinstance(response, Accepted) and response.refused:
        raise RefusedEntriesError(called, response)
    return response

"""What both clients share: the settings, when a request is sent again, and how a response is read."""

from __future__ import annotations

import random
from typing import Any, Final, TypeAlias, TypeVar

import httpx
import msgspec

from tailrank import api
from tailrank.client.requests import Request
from tailrank.errors import TailrankError

RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
"""After which the same request may succeed."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
"""Seconds: between two attempts lies a random time up to a bound that doubles (full jitter)."""

T = TypeVar("T")
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


class BaseClient:
    """A client's settings, and when it sends a request again.

    What is sent again has the effect of having been sent once: rankings change nothing, items are put, and
    events are known by their ids.
    """

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._url, self._retries = url, retries
        self._options: dict[str, Any] = {"base_url": url, "headers": headers, "timeout": timeout}

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
        ServerError
            If there is none, it is a refusal, or not tailrank's.
        """
        called = f"{request.method} {self._url}{request.path}"
        if isinstance(outcome, httpx.TransportError):
            why = str(outcome) or type(outcome).__name__
            raise ServerError(f"{called}: no answer ({why}): does the server run?")
        try:
            if outcome.is_success:
                return msgspec.json.decode(outcome.content, type=request.response)
            why = msgspec.json.decode(outcome.content, type=api.ErrorResponse).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            why = f"{outcome.reason_phrase or 'no reason given'}, not the response of a tailrank server"
        raise ServerError(f"{called}: {outcome.status_code}: {why}", outcome.status_code)

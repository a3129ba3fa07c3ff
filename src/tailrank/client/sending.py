"""How a client's methods become HTTP requests, of a client that waits or one that is awaited."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, overload
from urllib.parse import quote

import msgspec

P = ParamSpec("P")
T = TypeVar("T")


class Request(NamedTuple, Generic[T]):
    """One HTTP request, and the type of its response's body."""

    method: str
    path: str
    response: type[T]
    body: bytes | None = None


class Blocking(Protocol):
    """A client that waits for the response."""

    def send(self, request: Request[T]) -> T:
        """Send, and return the response."""


class Awaiting(Protocol):
    """A client whose responses are awaited."""

    async def send(self, request: Request[T]) -> T:
        """Send, and return the response."""


class sends(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a client's method of one that returns a request: it is sent, and the response returned.

    A blocking client does that at once, an awaiting one when it is awaited.
    """

    def __init__(self, request: Callable[Concatenate[Any, P], Request[T]]) -> None:
        self._request = request

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Concatenate[Any, P], Request[T]]: ...
    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type) -> Any:
        if client is None:
            return self._request
        return lambda *args, **options: client.send(self._request(client, *args, **options))


def posted(path: str, body: Any, response: type[T]) -> Request[T]:
    """Make a request that sends a body as JSON."""
    return Request("POST", path, response, msgspec.json.encode(body))


def path_of(collection: str, name: str) -> str:
    """Write the path of one thing among others, whatever is in its name."""
    return f"/v1/{collection}/{quote(name, safe='')}"

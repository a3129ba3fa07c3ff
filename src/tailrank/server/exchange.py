"""`Exchange`: one request of a connection, as far as it has come, and the way to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, TypeAlias

from tailrank.server.content_encoding import TooLargeError

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Answer(NamedTuple):
    """What goes back."""

    body: bytes
    status: int = 200
    media_type: bytes = b"application/json"
    headers: Fields = ()

    def written(self, keep_alive: bool, with_body: bool) -> bytes:
        """Write it as it goes over the wire."""
        head = _head(self.status, self.media_type, self.headers, keep_alive)
        return b"%b%d\r\n\r\n%b" % (head, len(self.body), self.body if with_body else b"")


class ClientDisconnected(Exception):  # noqa: N818 - it is no fault
    """Nobody waits for the answer any more."""


class Connection(Protocol):
    """What an exchange needs of the connection that it is on."""

    client: str | None

    def read_on(self, exchange: Exchange) -> None:
        """Read what comes: the rest of a body, or that the client has gone."""

    def send(self, exchange: Exchange, answer: Answer) -> None:
        """Answer the request that has been under way for longest."""

    def begin_stream(self, exchange: Exchange, head: bytes) -> None:
        """Begin an answer that goes on, the last one of this connection."""

    def send_part(self, part: bytes) -> None:
        """Send what comes next; a client that doesn't read misses it."""

    def end_stream(self) -> None:
        """End the answer, and the connection with it."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what takes some time; it is cancelled if it takes too long when the server stops."""


@dataclass(slots=True, eq=False)
class Exchange:
    """A request and its answer.

    Attributes
    ----------
    connection
        Which it is on.
    method, path, query
        The path is what comes before the question mark, the query what follows it.
    headers
        Names in lower case, and values.
    arrived
        When its first byte did, on the clock of `time.perf_counter`.
    keep_alive
        Whether the connection goes on after the answer.
    ahead
        How many requests, of all connections, were in line when it joined them; -1 as long as another one of
        its own connection has its turn.
    parts, size
        Of the body, as far as it came, and its bytes.
    is_whole, is_wanted, is_answered, is_gone
        Whether all of it came, somebody waits for its body, it is answered, and its client has gone.
    """

    connection: Connection
    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    arrived: float
    keep_alive: bool
    ahead: int = -1
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    is_whole: bool = False
    is_wanted: bool = False
    is_answered: bool = False
    is_gone: bool = False
    _news: asyncio.Future[None] | None = None

    def body(self, limit: int) -> bytes:
        """Give the body as far as it came.

        Raises
        ------
        TooLargeError
            If that is more than the limit, in bytes.
        """
        if self.size > limit:
            raise TooLargeError(limit)
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    async def read(self, limit: int) -> bytes:
        """Wait for the whole body.

        Raises
        ------
        TooLargeError
            If it is larger than the limit, in bytes.
        ClientDisconnected
            If it won't come any more.
        """
        if not self.is_whole:
            self.connection.read_on(self)
        while not self.is_whole and self.size <= limit:
            await self._change()
        return self.body(limit)

    async def disconnected(self) -> None:
        """Return once the client has gone."""
        self.connection.read_on(self)
        while True:
            try:
                await self._change()
            except ClientDisconnected:
                return

    def changed(self) -> None:
        """Wake up who waits for more of the body, or for the client to go."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _change(self) -> None:
        if not self.is_gone:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        if self.is_gone:
            raise ClientDisconnected


@lru_cache(64)
def _head(status: int, media_type: bytes, headers: Fields, keep_alive: bool) -> bytes:
    """Write an answer's head, up to the number of its body's bytes."""
    fields = [(b"content-type", media_type), *headers, *([] if keep_alive else [(b"connection", b"close")])]
    lines = b"".join(b"%b: %b\r\n" % each for each in fields)
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: " % (status, HTTPStatus(status).phrase.encode(), lines)

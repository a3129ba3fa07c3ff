"""Answers that go on, as server-sent events (WHATWG HTML, 9.2), until the client goes or the server stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple

from tailrank.server.exchange import Exchange

MEDIA_TYPE: Final = b"text/event-stream"
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-store\r\nx-accel-buffering: no\r\n"
    b"connection: close\r\n\r\n" % MEDIA_TYPE
)
"""The end of the connection is that of the answer, as for any whose length isn't known before."""

MOST_STREAMS: Final = 32
"""That one worker sends at once."""

EVERY: Final = 1.0
"""Seconds between two events."""

HEARTBEAT: Final = b":\n\n"
"""A comment, which says that the server is there although it has nothing new to tell."""


log = logging.getLogger("tailrank.server")


class TooManyStreamsError(Exception):
    """No further stream can be opened now."""


class Stream(NamedTuple):
    """An answer that goes on.

    Attributes
    ----------
    parts
        What is sent, each as soon as it is there.
    ended
        Is called when nobody listens any more.
    """

    parts: AsyncIterator[bytes]
    ended: Callable[[], None]


class Broadcast:
    """Makes an event every second, as long as somebody listens, and sends the same one to all.

    Parameters
    ----------
    make
        Makes what an event says: one line of text.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]]) -> None:
        self._make = make
        self._listeners = 0
        self._making: asyncio.Task[None] | None = None
        self._next: asyncio.Future[bytes]

    def listen(self) -> Stream:
        """Open a stream.

        Raises
        ------
        TooManyStreamsError
            If there are `MOST_STREAMS` already.
        """
        if self._listeners >= MOST_STREAMS:
            raise TooManyStreamsError(
                f"{MOST_STREAMS} streams are open already: close a dashboard, or try again later"
            )
        self._listeners += 1
        if self._making is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            self._making = loop.create_task(self._make_on())
        return Stream(self._parts(self._next), self._ended)

    def _ended(self) -> None:
        self._listeners -= 1
        if not self._listeners and self._making is not None:
            self._making.cancel()
            self._making = None

    async def _make_on(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                made = await self._make()
            except Exception:  # whatever it is, the next time it may work; meanwhile there are heartbeats
                log.exception("what goes on can't be told")
            else:
                told, self._next = self._next, loop.create_future()
                told.set_result(b"data: %b\n\n" % made)
            due = max(due + EVERY, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _parts(self, following: asyncio.Future[bytes]) -> AsyncIterator[bytes]:
        while True:
            await asyncio.wait((following,), timeout=2 * EVERY)
            yield following.result() if following.done() else HEARTBEAT
            following = self._next


async def send_stream(exchange: Exchange, stream: Stream) -> None:
    """Send a stream to its end: until the client goes, or the server stops."""
    connection = exchange.connection
    sending = asyncio.create_task(_send_on(exchange, stream.parts))
    gone = asyncio.create_task(exchange.disconnected())
    try:
        connection.begin_stream(exchange, HEAD)
        if exchange.method != "HEAD":
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, gone):
            task.cancel()
        stream.ended()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(sending, gone, return_exceptions=True)
        connection.end_stream()


async def _send_on(exchange: Exchange, parts: AsyncIterator[bytes]) -> None:
    async for part in parts:
        exchange.connection.send_part(part)

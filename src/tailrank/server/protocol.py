"""HTTP/1.1 within limits of size, time and number, which hold before it is known who asks."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import msgspec
from uvicorn.config import Config
from uvicorn.server import ServerState

from tailrank.api import ErrorResponse
from tailrank.server.descriptors import room_for
from tailrank.server.exchange import Answer, Exchange
from tailrank.server.request_reader import Head, RequestReader

HEAD_SECONDS: Final = 10.0
"""From a connection's or a request's first byte to the end of the request's head."""

BODY_SECONDS: Final = 30.0
"""For a request's body, and longer if it comes at `BODY_RATE`."""

BODY_RATE: Final = 50_000
"""Bytes a second."""

SEND_SECONDS: Final = 30.0
"""How long a client may leave answers unread that no buffer takes any more."""

LINGER_SECONDS: Final = 1.0
"""From a refusal to the end of the connection, so that the client reads it."""

UNWANTED_BYTES: Final = 65_536
"""Of a body that is read before anybody wants it."""

MAX_PIPELINED: Final = 32
"""Requests of one connection that wait for their answers."""

MAX_CONNECTIONS: Final = 4_096
"""Of one process; one more ends the one that waited longest for its client."""

log = logging.getLogger("tailrank.server")


class _Shared:
    """What the connections of one server know of each other.

    Attributes
    ----------
    waiting
        Those that wait for their clients, the longest first.
    in_line
        How many requests wait for their turn.
    """

    def __init__(self) -> None:
        self.waiting: dict[BoundedProtocol, None] = {}
        self.in_line = 0


class BoundedProtocol(asyncio.Protocol):
    """Reads requests, and ends connections that ask for too much or take too long.

    Each request that has come goes to `begin` of the application when its turn comes, as an `Exchange`; those
    of one connection one after the other. A connection waits for its client if it has no whole request to
    answer, or its answers aren't read. Then it has a deadline and, if there are too many connections, those
    that have waited longest end first.

    Parameters
    ----------
    config, server_state
        Of uvicorn's server, which listens and stops.
    """

    _of_servers: ClassVar[WeakKeyDictionary[ServerState, _Shared]] = WeakKeyDictionary()

    _latest: Exchange
    """The one whose body comes."""

    def __init__(self, config: Config, server_state: ServerState, **_: object) -> None:
        self._app, self._server_state = config.loaded_app, server_state
        self._keep_alive_seconds = config.timeout_keep_alive
        self._loop = asyncio.get_running_loop()
        self._shared = self._of_servers.setdefault(server_state, _Shared())
        self._reader = RequestReader(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, and make room if need be."""
        self._transport, peer = transport, transport.get_extra_info("peername")
        self.client: str | None = peer[0] if isinstance(peer, tuple) else None
        self._unanswered: deque[Exchange] = deque()
        self._discarding = self._reading_paused = self._writing_paused = False
        self._unread_since = math.inf
        self._deadline = self._loop.time() + HEAD_SECONDS
        self._timer = self._loop.call_later(HEAD_SECONDS, self._check)
        self._waiting = self._shared.waiting
        self._waiting[self] = None
        connections = self._server_state.connections
        connections.add(self)  # type: ignore[arg-type]
        if len(connections) > room_for(MAX_CONNECTIONS):
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request under way."""
        self._timer.cancel()
        self._waiting.pop(self, None)
        self._server_state.connections.discard(self)
        self._disconnect()

    def shutdown(self) -> None:
        """End the connection after the requests that have come; a stream ends at once."""
        if self._unanswered and self._unanswered[0].is_answered:
            self._transport.abort()
        elif self._unanswered:
            self._unanswered[-1].keep_alive = False
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        self._reader.feed(data)

    def request_began(self) -> None:
        """Allow for the time that a head may take."""
        self._deadline = self._loop.time() + HEAD_SECONDS

    def head_came(self, head: Head) -> None:
        """Let the application answer, unless too many requests wait already."""
        if len(self._unanswered) >= MAX_PIPELINED:
            self.refuse(429, f"more than {MAX_PIPELINED} requests ahead of their answers: wait for them")
            return
        self._latest = Exchange(self, *head)
        self._deadline = self._loop.time() + BODY_SECONDS
        if self._unanswered:
            self._pause_reading()
        self._unanswered.append(self._latest)
        self._join_line()

    def body_came(self, part: bytes) -> None:
        """Take a piece of the body, and allow for the time that it needs."""
        if self._discarding:
            return
        exchange = self._latest
        exchange.parts.append(part)
        exchange.size += len(part)
        exchange.changed()
        self._deadline += len(part) / BODY_RATE
        if exchange.size > UNWANTED_BYTES and not exchange.is_wanted:
            self._pause_reading()

    def request_ended(self) -> None:
        """Work, and wait for the client no more."""
        self._discarding = False
        self._latest.is_whole = True
        self._latest.changed()
        self._wait_or_work()

    def read_on(self, exchange: Exchange) -> None:
        """Read what comes: the rest of a body, or that the client has gone."""
        expected = [value.lower() for name, value in exchange.headers if name == b"expect"]
        if not exchange.is_whole and b"100-continue" in expected:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.is_wanted = True
        self._resume_reading()

    def send(self, exchange: Exchange, answer: Answer) -> None:
        """Answer the request that is under way; then the next one has its turn."""
        if exchange.is_gone or exchange.is_answered or self._transport.is_closing():
            return
        exchange.is_answered, self._discarding = True, not exchange.is_whole
        self._transport.write(answer.written(exchange.keep_alive, with_body=exchange.method != "HEAD"))
        self._unanswered.popleft()
        if exchange.keep_alive:
            self._resume_reading()
            self._join_line()
        else:
            self._transport.close()
        self._wait_or_work()

    def begin_stream(self, exchange: Exchange, head: bytes) -> None:
        """Begin an answer that goes on, the last one of this connection."""
        exchange.keep_alive, exchange.is_answered, self._discarding = False, True, not exchange.is_whole
        if not self._transport.is_closing():
            self._transport.write(head)

    def send_part(self, part: bytes) -> None:
        """Send what comes next; a client that doesn't read misses it."""
        if not (self._writing_paused or self._transport.is_closing()):
            self._transport.write(part)

    def end_stream(self) -> None:
        """End the answer, and the connection with it."""
        self._transport.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what takes some time; uvicorn cancels it if it takes too long when the server stops."""
        task, tasks = self._loop.create_task(work), self._server_state.tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def pause_writing(self) -> None:
        """Wait until the client reads."""
        self._writing_paused = True
        self._unread_since = self._loop.time()
        self._wait_or_work()

    def resume_writing(self) -> None:
        """Go on, now that the client reads."""
        self._writing_paused = False
        self._unread_since = math.inf
        self._join_line()
        self._wait_or_work()

    def _join_line(self) -> None:
        """Let the connection's first request wait for its turn, if it doesn't yet."""
        if self._unanswered and self._unanswered[0].ahead < 0 and not self._writing_paused:
            self._unanswered[0].ahead = self._shared.in_line
            self._shared.in_line += 1
            self._loop.call_soon(self._begin, self._unanswered[0])

    def _begin(self, exchange: Exchange) -> None:
        """Hand a request whose turn has come to the application."""
        self._shared.in_line -= 1
        try:
            if not exchange.is_gone:
                self._app.begin(exchange)
        except Exception:  # or the client would wait for ever
            log.exception("a request could not be begun")
            self._transport.abort()

    def _wait_or_work(self) -> None:
        """Join those that wait, at their end, or leave them."""
        working = bool(self._unanswered) and self._unanswered[0].is_whole
        self._waiting.pop(self, None)
        if not working or self._writing_paused:
            self._waiting[self] = None
        if not self._reader.receiving:
            self._deadline = math.inf if working else self._loop.time() + self._keep_alive_seconds

    def _check(self) -> None:
        """End the connection if its client took too long; else look again later."""
        now = self._loop.time()
        late = now >= self._deadline and not self._reader.stopped
        if late and self._reading_paused:  # the client could not send
            self._deadline, late = now + BODY_SECONDS, False
        over = late and (not self._reader.receiving or self._transport.is_closing())
        if over or now >= self._unread_since + SEND_SECONDS:
            self._transport.abort()
            return
        if late:
            self.refuse(408, "the request took too long to arrive: send it at once")
        left = self._deadline - now
        self._timer = self._loop.call_later(left if 0 < left < HEAD_SECONDS else HEAD_SECONDS, self._check)

    def refuse(self, status: int, why: str) -> None:
        """Read no further, and end the connection; whole requests that came before are answered first."""
        if self._reader.stopped:
            return
        self._reader.stopped = True
        if self._transport.is_closing():
            return
        whole = [exchange for exchange in self._unanswered if exchange.is_whole]
        if whole:
            whole[-1].keep_alive = False
            return
        self._disconnect()
        self._pause_reading()
        if not self._discarding:
            refusal = Answer(msgspec.json.encode(ErrorResponse(why)), status)
            self._transport.write(refusal.written(keep_alive=False, with_body=True))
        self._transport.write_eof()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _disconnect(self) -> None:
        """Tell requests under way that nobody waits for an answer."""
        for exchange in self._unanswered:
            exchange.is_gone = True
            exchange.changed()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

"""HTTP/1.1 within limits of size, time and number, which hold before it is known who asks."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from http import HTTPStatus
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tailrank.api import ErrorResponse
from tailrank.server.descriptors import room_for

ARRIVED: Final = "tailrank.arrived"
"""Key of a scope under which the protocol notes when a request arrived, on `time.perf_counter`."""

HEAD_BYTES: Final = 16_384
"""Of a request's line and fields; and of trailers and what frames chunks, beyond the length of the body."""

HEAD_FIELDS: Final = 100
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

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a body ends."""

MAX_PIPELINED: Final = 32
"""Requests of one connection that wait for their answers."""

MAX_CONNECTIONS: Final = 4_096
"""Of one process; one more ends the one that waited longest for its client."""

_TOO_LARGE: Final = (
    f"the request's head is too large: send at most {HEAD_FIELDS} fields and {HEAD_BYTES} bytes, all else in "
    "the body"
)


class BoundedProtocol(HttpToolsProtocol):
    """Notes when requests arrive, and ends connections that ask for too much or take too long.

    A connection waits for its client if it has no whole request to answer, or its answers aren't read. Then
    it has a deadline and, if there are too many connections, those that have waited longest end first.
    """

    _all_waiting: ClassVar[WeakKeyDictionary[ServerState, dict[BoundedProtocol, None]]] = WeakKeyDictionary()
    """Connections of a server that wait for their clients, the longest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, and make room if need be."""
        super().connection_made(transport)
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._receiving = self._refused = self._replaying = False
        self._framing: list[tuple[bytes, bytes]] = []  # of a head with an Upgrade, whose body is left
        self._beside = self._received = 0
        self._unread_since = math.inf
        self._deadline = self.loop.time() + HEAD_SECONDS
        self._timer = self.loop.call_later(HEAD_SECONDS, self._check)
        self._waiting = self._all_waiting.setdefault(self.server_state, {})
        self._waiting[self] = None
        if len(self.connections) > room_for(MAX_CONNECTIONS):
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request under way, not the latest alone."""
        self._timer.cancel()
        self._waiting.pop(self, None)
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, in pieces so small that little is kept of what exceeds a limit."""
        for start in range(0, len(data), HEAD_BYTES):
            if self._refused:
                return
            piece = data[start : start + HEAD_BYTES]
            self._beside += len(piece)
            self._parse(piece)
            if self._receiving and self._beside > HEAD_BYTES + self._received:
                self._refuse(431, _TOO_LARGE)

    def on_message_begin(self) -> None:
        """Note the time."""
        if self._replaying:
            return
        super().on_message_begin()
        self.scope[ARRIVED] = time.perf_counter()  # type: ignore[typeddict-unknown-key]
        self._receiving, self._beside, self._received = True, 0, 0
        self._deadline = self.loop.time() + HEAD_SECONDS

    def on_headers_complete(self) -> None:
        """Let the application answer, unless the head is too large or too many requests wait already."""
        if self._replaying:
            return
        if len(self.headers) > HEAD_FIELDS or (self._beside and self._head_bytes() > HEAD_BYTES):
            self._refuse(431, _TOO_LARGE)
        elif len(self._unanswered) >= MAX_PIPELINED:
            self._refuse(429, f"more than {MAX_PIPELINED} requests ahead of their answers: wait for them")
        if self._refused:
            return
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        if self.parser.should_upgrade():
            self._framing = [field for field in self.headers if field[0] in FRAMING]
        self.headers = []  # trailers don't join the fields of the head
        self._deadline = self.loop.time() + BODY_SECONDS

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, and allow for the time that it needs."""
        if self._refused:
            return
        super().on_body(body)
        self._beside -= len(body)
        self._received += len(body)
        if not self.cycle.response_complete:
            self._deadline += len(body) / BODY_RATE

    def on_message_complete(self) -> None:
        """Work, and wait for the client no more."""
        if self._refused or self._framing:
            return
        super().on_message_complete()
        self._receiving = False
        self._wait_or_work()

    def on_response_complete(self) -> None:
        """Wait for the client again, if no other request is whole."""
        self._unanswered.popleft()
        super().on_response_complete()
        self._wait_or_work()

    def pause_writing(self) -> None:
        """Wait until the client reads."""
        super().pause_writing()
        self._unread_since = self.loop.time()
        self._wait_or_work()

    def resume_writing(self) -> None:
        """Go on, now that the client reads."""
        super().resume_writing()
        self._unread_since = math.inf
        self._wait_or_work()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that rested too long between requests, even if nobody read the answers."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser can't read."""
        self._refuse(400, "not HTTP/1.1: see RFC 9112")

    def _parse(self, piece: bytes) -> None:
        """Parse a piece. Who would rather speak another protocol, such as HTTP/2, is answered in this one."""
        self._unset_keepalive_if_required()
        while piece and not self._refused:
            try:
                self.parser.feed_data(piece)
                return
            except HttpParserError as why:
                self.send_400_response(str(why))
            except HttpParserUpgrade as upgrade:
                self._ignore_upgrade()
                piece = piece[upgrade.args[0] :]

    def _ignore_upgrade(self) -> None:
        """Read on after a head with an Upgrade, which the parser takes for the end of HTTP, body and all.

        Another parser is given a head that only says where the body ends.
        """
        if not self._framing:
            return
        fields = b"".join(b"%s: %s\r\n" % field for field in self._framing)
        self._framing, self._replaying = [], True
        self.parser = HttpRequestParser(self)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % fields)
        self._replaying = False

    def _head_bytes(self) -> int:
        """Count the bytes of a head that came in more than one piece; in one, they can't be too many."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _wait_or_work(self) -> None:
        """Join those that wait, at their end, or leave them."""
        working = bool(self._unanswered) and not self._unanswered[0].more_body
        self._waiting.pop(self, None)
        if not working or self.flow.write_paused:
            self._waiting[self] = None
        if not self._receiving:
            self._deadline = math.inf if working else self.loop.time() + self.timeout_keep_alive

    def _check(self) -> None:
        """End the connection if its client took too long; else look again later."""
        now = self.loop.time()
        late = now >= self._deadline and not self._refused
        if late and self.flow.read_paused:  # the client could not send
            self._deadline, late = now + BODY_SECONDS, False
        over = late and (not self._receiving or self.transport.is_closing())
        if over or now >= self._unread_since + SEND_SECONDS:
            self.transport.abort()
            return
        if late:
            self._refuse(408, "the request took too long to arrive: send it at once")
        left = self._deadline - now
        self._timer = self.loop.call_later(left if 0 < left < HEAD_SECONDS else HEAD_SECONDS, self._check)

    def _refuse(self, status: int, why: str) -> None:
        """Read no further, and end the connection; whole requests that came before are answered first."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        whole = [cycle for cycle in self._unanswered if not cycle.more_body]
        if whole:
            whole[-1].keep_alive = False
            return
        answered = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        self._disconnect()
        self.flow.pause_reading()
        if not answered:
            self.transport.write(_refusal(status, why))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _disconnect(self) -> None:
        """Tell requests under way that nobody waits for an answer."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()


def _refusal(status: int, why: str) -> bytes:
    """Write an answer that ends its connection."""
    body = msgspec.json.encode(ErrorResponse(why))
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body

"""`RequestReader`: requests out of bytes, within limits of size, as httptools parses HTTP/1.1."""

from __future__ import annotations

import time
from typing import Final, NamedTuple, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

HEAD_BYTES: Final = 16_384
"""Of a request's line and fields; and of trailers and what frames chunks, beyond the length of the body."""

HEAD_FIELDS: Final = 100

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a body ends."""

_TOO_LARGE: Final = (
    f"the request's head is too large: send at most {HEAD_FIELDS} fields and {HEAD_BYTES} bytes, all else in "
    "the body"
)


class Head(NamedTuple):
    """What comes before a request's body.

    Attributes
    ----------
    method, path, query
        The path is what comes before the question mark, the query what follows it.
    headers
        Names in lower case, and values.
    arrived
        When the request's first byte did, on the clock of `time.perf_counter`.
    keep_alive
        Whether the connection goes on after the answer.
    """

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    arrived: float
    keep_alive: bool


class Receiver(Protocol):
    """Who is told of requests as they come."""

    def request_began(self) -> None:
        """Take note of a request's first byte."""

    def head_came(self, head: Head) -> None:
        """Take a request's head."""

    def body_came(self, part: bytes) -> None:
        """Take a piece of its body."""

    def request_ended(self) -> None:
        """Take note that all of it came."""

    def refuse(self, status: int, why: str) -> None:
        """Refuse what comes, and stop the reader."""


class RequestReader:
    """Reads the requests of one connection.

    Parameters
    ----------
    receiver
        Is told of them.
    """

    receiving = False
    """Whether a request has begun and not ended."""

    stopped = False
    """Whether nothing is read any more."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver, self._parser = receiver, HttpRequestParser(self)
        self._framing: list[tuple[bytes, bytes]] = []  # of a head with an Upgrade, whose body is left
        self._replaying = False
        self._beside = self._received = 0

    def feed(self, data: bytes) -> None:
        """Parse, in pieces so small that little is kept of what exceeds a limit."""
        for start in range(0, len(data), HEAD_BYTES):
            if self.stopped:
                return
            piece = data[start : start + HEAD_BYTES]
            self._beside += len(piece)
            self._parse(piece)
            if self.receiving and self._beside > HEAD_BYTES + self._received:
                self._receiver.refuse(431, _TOO_LARGE)

    def on_message_begin(self) -> None:
        """Note the time."""
        if self._replaying:
            return
        self._url, self._headers = b"", list[tuple[bytes, bytes]]()
        self._arrived = time.perf_counter()
        self.receiving, self._beside, self._received = True, 0, 0
        self._receiver.request_began()

    def on_url(self, url: bytes) -> None:
        """Take a piece of what is requested."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Tell of the head, unless it is too large."""
        if self._replaying:
            return
        headers, parser = self._headers, self._parser
        if len(headers) > HEAD_FIELDS or (self._beside and self._head_bytes() > HEAD_BYTES):
            self._receiver.refuse(431, _TOO_LARGE)
            return
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        url = parse_url(self._url)
        self._headers = []  # trailers don't join the fields of the head
        if parser.should_upgrade():
            self._framing = [field for field in headers if field[0] in FRAMING]
        self._receiver.head_came(
            Head(
                parser.get_method().decode(),
                url.path or b"/",
                url.query or b"",
                headers,
                self._arrived,
                keep_alive,
            )
        )

    def on_body(self, body: bytes) -> None:
        """Tell of a piece of the body."""
        if self.stopped:
            return
        self._beside -= len(body)
        self._received += len(body)
        self._receiver.body_came(body)

    def on_message_complete(self) -> None:
        """Tell that all has come."""
        if self.stopped or self._framing:
            return
        self.receiving = False
        self._receiver.request_ended()

    def _parse(self, piece: bytes) -> None:
        """Parse a piece. Who would rather speak another protocol, such as HTTP/2, is answered in this one."""
        while piece and not self.stopped:
            try:
                self._parser.feed_data(piece)
                return
            except HttpParserError:
                self._receiver.refuse(400, "not HTTP/1.1: see RFC 9112")
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
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % fields)
        self._replaying = False

    def _head_bytes(self) -> int:
        """Count the bytes of a head that came in more than one piece; in one, they can't be too many."""
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

"""A client that costs little: one keep-alive connection, and requests that are ready to be sent."""

from __future__ import annotations

import re
import socket
from typing import Any, Final

import msgspec

from tailrank.errors import RequestError

HOST: Final = "127.0.0.1"
AT_ONCE: Final = 1 << 18
OK, SHED = 200, 429
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


def request(path: str, body: bytes | None = None) -> bytes:
    """Write a request as it is sent: a GET or, with a body, a POST of JSON."""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nhost: {HOST}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def parse(received: bytes) -> tuple[int, bytes] | None:
    """Read status and body of an answer that gives its length; None if it isn't whole yet."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(received, 0, head + 2)
    end = head + 4 + (int(length[1]) if length else 0)
    return None if len(received) < end else (int(received[9:12]), received[head + 4 : end])


class Connection:
    """One connection to a port of this machine; an operation that is longer than `timeout` seconds fails."""

    def __init__(self, port: int, timeout: float | None = None) -> None:
        self.socket = socket.create_connection((HOST, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def receive(self) -> tuple[int, bytes] | None:
        """Wait for some bytes; gives status and body once the answer is whole.

        Raises
        ------
        RequestError
            If the server closed the connection.
        """
        received = self.socket.recv(AT_ONCE)
        if not received:
            raise RequestError("the server closed a connection in the middle of a measurement")
        self._received += received
        answer = parse(self._received)
        if answer is not None:
            self._received = b""
        return answer

    def exchange(self, sent: bytes) -> tuple[int, bytes]:
        """Send a request and wait for the answer."""
        self.socket.sendall(sent)
        while (answer := self.receive()) is None:
            pass
        return answer

    def insist(self, sent: bytes) -> bytes:
        """Send a request, and again while the server is too busy for it; gives the body of the answer.

        Raises
        ------
        RequestError
            If the answer isn't what was asked for: refused, or a list in its old order.
        """
        status, body = self.exchange(sent)
        while status == SHED:
            status, body = self.exchange(sent)
        if status != OK or b'"degraded":true' in body[:200]:
            raise RequestError(f"the server answered with {status} {body[:200].decode(errors='replace')}")
        return body

    def ask(self, path: str, content: object = None) -> Any:
        """Send JSON, or nothing; gives the answer's JSON."""
        body = None if content is None else msgspec.json.encode(content)
        return msgspec.json.decode(self.insist(request(path, body)))

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

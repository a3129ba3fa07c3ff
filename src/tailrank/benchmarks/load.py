"""Load on many connections: a closed loop, in which answers set the pace, or an open one: the clock does."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tailrank.arrays import Codes, Doubles
from tailrank.benchmarks.connection import Connection


@dataclass(frozen=True)
class Answers:
    """What came of each request, shape (requests,).

    Attributes
    ----------
    status
        Of HTTP.
    ms
        Until the answer was read: since the request was sent or, in an open loop, since it was due, so that
        waiting for a free connection or a slow client counts.
    late_ms
        From when it was due until it was sent; 0 in a closed loop.
    seconds
        From the first request to the last answer.
    """

    status: Codes
    ms: Doubles
    late_ms: Doubles
    seconds: float


def drive(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    due: Doubles | None = None,
    opened: Iterable[Connection] = (),
) -> Answers:
    """Send every request once, on keep-alive connections without pipelining, which take turns.

    Parameters
    ----------
    port
        On this machine.
    requests
        As they go over the wire.
    connections
        How many, at most.
    due
        Seconds after the start at which an open loop sends each, ascending, shape (requests,), whatever the
        server does; None closes the loop: each connection sends the next request when it has an answer.
    opened
        Connections to use before others are opened; all are closed in the end.

    Raises
    ------
    RequestError
        If the server closes a connection.
    """
    n, sent, answered = len(requests), 0, 0
    status, times = np.zeros(n, np.int32), np.zeros((3, n))
    wanted, began, ended = times
    clock = time.perf_counter
    with _Pool(port, connections, opened) as pool:
        start = clock()
        while answered < n:
            while sent < n and (due is None or due[sent] <= clock() - start) and pool.is_free():
                began[sent] = clock() - start
                wanted[sent] = began[sent] if due is None else due[sent]
                pool.send(sent, requests[sent])
                sent += 1
            pause = None
            if due is not None and sent < n and pool.is_free():
                pause = max(0.0, due[sent] - clock() + start)
            for at, answered_with in pool.answers(pause):
                status[at], ended[at] = answered_with, clock() - start
                answered += 1
    return Answers(status, 1e3 * (ended - wanted), 1e3 * (began - wanted), float(ended.max(initial=0.0)))


class _Pool:
    """Connections that are opened when they are needed, as servers end those that rest, and take turns."""

    def __init__(self, port: int, most: int, opened: Iterable[Connection]) -> None:
        self._port, self._most = port, most
        self._selector = selectors.SelectSelector()  # epoll would wake up a millisecond too late
        self._idle, self._under_way = deque[Connection](), dict[Connection, int]()
        for connection in opened:
            self._add(connection)

    def _add(self, connection: Connection) -> None:
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._idle.append(connection)

    def is_free(self) -> bool:
        """Whether a request can be sent."""
        return bool(self._idle) or len(self._under_way) < self._most

    def send(self, at: int, request: bytes) -> None:
        """Send the request with that number on a connection that is free."""
        if not self._idle:
            self._add(Connection(self._port))
        connection = self._idle.popleft()
        self._under_way[connection] = at
        connection.socket.sendall(request)

    def answers(self, seconds: float | None) -> Iterator[tuple[int, int]]:
        """Wait for so long at most; gives numbers and statuses of requests whose answers are whole."""
        for key, _ in self._selector.select(seconds):
            connection = key.data
            answer = connection.receive()
            if answer is not None:
                self._idle.append(connection)
                yield self._under_way.pop(connection), answer[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for connection in (*self._idle, *self._under_way):
            connection.close()
        self._selector.close()

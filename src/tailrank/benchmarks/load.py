"""Load on many connections: a closed loop, in which answers set the pace, or an open one: the clock does."""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass

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


def drive(port: int, requests: Sequence[bytes], connections: int, rate: float | None = None) -> Answers:
    """Send every request once, on keep-alive connections without pipelining.

    Parameters
    ----------
    port
        On this machine.
    requests
        As they go over the wire.
    connections
        How many, at most.
    rate
        Requests a second of an open loop, evenly spaced, whatever the server does; None closes the loop: each
        connection sends the next request when it has an answer.

    Raises
    ------
    RequestError
        If the server closes a connection.
    """
    idle: list[_Line] = []
    n, sent, answered = len(requests), 0, 0
    status, times = np.zeros(n, np.int32), np.zeros((3, n))
    due, began, ended = times
    clock = time.perf_counter
    with selectors.DefaultSelector() as selector:
        start = clock()
        while answered < n:
            while sent < n and (rate is None or sent / rate <= clock() - start):
                if idle:
                    line = idle.pop()
                elif len(selector.get_map()) < connections:  # when it is needed: servers end what rests
                    line = _Line(port)
                    selector.register(line.socket, selectors.EVENT_READ, line)
                else:
                    break
                line.at = sent
                began[sent] = clock() - start
                due[sent] = began[sent] if rate is None else sent / rate
                line.socket.sendall(requests[sent])
                sent += 1
            # An open loop doesn't sleep: a selector wakes up a millisecond too late.
            for key, _ in selector.select(None if rate is None or sent == n else 0):
                line = key.data
                answer = line.receive()
                if answer is not None:
                    status[line.at], ended[line.at] = answer[0], clock() - start
                    idle.append(line)
                    answered += 1
        for key in list(selector.get_map().values()):
            key.data.close()
    return Answers(status, 1e3 * (ended - due), 1e3 * (began - due), float(ended.max(initial=0.0)))


class _Line(Connection):
    at = 0
    """Which request is under way."""

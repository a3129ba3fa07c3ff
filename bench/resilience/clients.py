"""Clients that go on whatever happens to their server, and remember what came of each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import msgspec

from tailrank.benchmarks.connection import Connection, request
from tailrank.errors import RequestError


class Outcome(NamedTuple):
    """What came of one request.

    Attributes
    ----------
    at
        When it was sent, on the clock of `time.monotonic`.
    ms
        Until its answer.
    path
        Of the request.
    status
        Of HTTP; 0 without an answer.
    answer
        Its JSON.
    """

    at: float
    ms: float
    path: str
    status: int
    answer: Any


Job: TypeAlias = Callable[["RecordingClient", int], object]
"""What a client does again and again; gets the number of times that it has done it."""


class RecordingClient:
    """One connection that is kept, and made anew after a failure."""

    def __init__(self, port: int, seconds: float = 30.0) -> None:
        self.port, self.seconds = port, seconds
        self.outcomes: list[Outcome] = []
        self._connection: Connection | None = None

    def ask(self, path: str, content: object = None) -> Outcome:
        """Send a request, a GET or, with content, a POST of JSON, and wait for the answer."""
        at = time.monotonic()
        body = None if content is None else msgspec.json.encode(content)
        try:
            if self._connection is None:
                self._connection = Connection(self.port, self.seconds)
            status, answer = self._connection.exchange(request(path, body))
        except (OSError, RequestError):
            self.close()
            status, answer = 0, b""
        content = msgspec.json.decode(answer) if answer[:1] in {b"{", b"["} else None
        found = Outcome(at, 1e3 * (time.monotonic() - at), path, status, content)
        self.outcomes.append(found)
        return found

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def load(port: int, jobs: Mapping[str, Job]) -> Iterator[dict[str, RecordingClient]]:
    """Do each job on a thread and connection of its own, again and again, until the end of the `with`."""
    stop = threading.Event()
    clients = {name: RecordingClient(port) for name in jobs}

    def work(client: RecordingClient, job: Job) -> None:
        n = 0
        while not stop.is_set():
            job(client, n)
            n += 1
        client.close()

    threads = [
        threading.Thread(target=work, args=(clients[name], job), daemon=True) for name, job in jobs.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join()

"""Clients that go on whatever happens to their server, and remember what came of each request."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.subject import event_json
from tailrank.data.columns import Columns
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.state.base import EVENTS_PER_USER

BATCH: Final = 20
"""Users whose events are sent in one request."""

CANDIDATES: Final = 100
START: Final = 1_700_000_000.0


class Outcome(NamedTuple):
    """What came of one request."""

    at: float
    """When it was sent, on the clock of `time.monotonic`."""
    ms: float
    """Until its answer."""
    status: int
    """Of HTTP; 0 without an answer."""
    answer: Any
    """Its JSON."""


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
        decoded = msgspec.json.decode(answer) if answer[:1] in {b"{", b"["} else None
        self.outcomes.append(Outcome(at, 1e3 * (time.monotonic() - at), status, decoded))
        return self.outcomes[-1]

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

    def work(name: str) -> None:
        for n in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            jobs[name](clients[name], n)
        clients[name].close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        working = [pool.submit(work, name) for name in jobs]
        try:
            yield clients
        finally:
            stop.set()
    for each in working:
        each.result()  # raises what a job raised


def items_of(model: Path) -> list[str]:
    """List some items of a model."""
    names: list[str] = Reranker.load(model).catalogue.items[Columns.ITEM].head(CANDIDATES).to_list()
    return names


def event(user: str, item: str, n: int) -> dict[str, object]:
    """Write the n-th event of a user as `/v1/events` reads it."""
    return event_json(n, user, item, "click", START + n) | {"event_id": f"{item}#{n}"}


def ingest(name: str) -> Job:
    """Send batches: in each, the next event of every user of this job."""
    users = [f"{name}-{u}" for u in range(BATCH)]
    return lambda client, n: client.ask("/v1/events", [event(user, f"i{n}", n) for user in users])


def rank(items: list[str], **how: object) -> Job:
    """Ask for rankings of the same items for one user after the other."""
    return lambda client, n: client.ask("/v1/rank", {"candidates": items, "user": f"u{n % 50}", **how})


def history_of(client: RecordingClient, user: str) -> list[str]:
    """Read the items of a user's history; asks again if the server was too busy."""
    while (found := client.ask(f"/v1/users/{user}")).status == 429:
        time.sleep(0.01)
    return [each["item_id"] for each in found.answer["events"]]


def lost(port: int, outcomes: Mapping[str, list[Outcome]]) -> int:
    """Count events of acknowledged batches, by job, that aren't there."""
    client, missing = RecordingClient(port), 0
    for name, found in outcomes.items():
        sent = [f"i{n}" for n in range(len(found))]
        wanted = {item for item, o in zip(sent, found, strict=True) if o.status == 200}
        wanted &= set(sent[-EVENTS_PER_USER:])
        for u in range(BATCH):
            missing += len(wanted - set(history_of(client, f"{name}-{u}")))
    client.close()
    return missing

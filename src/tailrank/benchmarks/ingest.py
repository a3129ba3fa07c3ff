"""Send events in batches of 500 on 4 connections, then singly on 32; kill the server, and look for them.

Users are drawn evenly among 10,000, items by their number of events. What is refused with 429 is
sent again, and its time counts. All events are acknowledged before the server is killed with SIGKILL;
`lost` are those of any user's latest 50 that another server doesn't find in its state.

`fresh`: an event is sent, and when it is acknowledged a ranking is requested on another connection: with
one worker, then with two, each at the other end of one connection. It misses the event unless its scores
are those that the library computes with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from tailrank.benchmarks import freshness
from tailrank.benchmarks.connection import OK, SHED, Connection, request
from tailrank.benchmarks.launcher import measured_server
from tailrank.benchmarks.load import drive
from tailrank.benchmarks.subject import BATCH, EVENTS, START, Subject, event_json
from tailrank.benchmarks.timing import Measurements, percentiles
from tailrank.errors import RequestError

USERS: Final = 10_000
SENDERS: Final = 4
SINGLES: Final = 32


def measure(it: Subject, events: int, seed: int) -> Measurements:
    """Send so many events in batches, a fifth as many singly, and check a tenth as many for freshness."""
    sent = draw_events(it, events + events // 5, np.random.default_rng(seed))
    batches = [sent[at : min(at + BATCH, events)] for at in range(0, events, BATCH)]
    with measured_server(it.model, it.state) as server:
        batched = _rate(server.port, batches, SENDERS)
        single = _rate(server.port, [[event] for event in sent[events:]], SINGLES)
        server.kill()
    with measured_server(it.model, it.state) as server:
        killed = {"acknowledged": len(sent), "lost": count_lost(server.port, sent)}
    return {
        "batches": batched,
        "singles": single,
        "killed": killed,
        "fresh": freshness.measure(it, events // 10, 1),
        "fresh, 2 workers": freshness.measure(it, events // 10, 2),
    }


def draw_events(it: Subject, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw events, a millisecond apart."""
    counts, names, event_type = it.dataset.counts, it.dataset.item_ids, it.dataset.event_types[0]
    items = rng.choice(len(counts), n, p=counts / counts.sum()).tolist()
    users = rng.integers(USERS, size=n).tolist()
    return [
        event_json(at, f"user-{user}", names[item], event_type, START + at / 1000)
        for at, (user, item) in enumerate(zip(users, items, strict=True))
    ]


def _rate(port: int, batches: Sequence[Sequence[dict[str, Any]]], connections: int) -> Measurements:
    """Send each batch as one request, and those that the server is too busy for again, until all are kept."""
    bodies = (msgspec.json.encode(batch[0] if len(batch) == 1 else batch) for batch in batches)
    requests = [request("/v1/events", body) for body in bodies]
    n, busy, seconds, milliseconds = sum(map(len, batches)), 0, 0.0, []
    while requests:
        answers = drive(port, requests, connections)
        if not np.isin(answers.status, (OK, SHED)).all():
            raise RequestError(f"events were answered with {sorted(set(answers.status.tolist()))}")
        seconds += answers.seconds
        milliseconds.append(answers.ms[answers.status == OK])
        requests = [one for one, status in zip(requests, answers.status, strict=True) if status == SHED]
        busy += len(requests)
    return {
        "events": n,
        "connections": connections,
        "events_per_s": n / seconds,
        "sent_again": busy,
        **percentiles(np.concatenate(milliseconds)),
    }


def count_lost(port: int, sent: Sequence[dict[str, Any]]) -> int:
    """Count events that are among a user's latest 50 and are not found."""
    wanted: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for event in sent:
        wanted[event["user_id"]].append((event["item_id"], event["timestamp"]))
    connection, missing = Connection(port), 0
    for user, events in wanted.items():
        found = connection.ask(f"/v1/users/{user}/history")["events"]
        missing += len(set(events[-EVENTS:]) - {(event["item_id"], event["timestamp"]) for event in found})
    connection.close()
    return missing

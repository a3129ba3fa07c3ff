"""`tailrank bench ingest`: how many events a second, whether they outlive the server, and when they count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import typer

from tailrank.benchmarks.connection import OK, SHED, Connection, request
from tailrank.benchmarks.figures import AsJson, Figures, percentiles, show
from tailrank.benchmarks.freshness import freshness
from tailrank.benchmarks.launcher import Running, running
from tailrank.benchmarks.load import drive
from tailrank.benchmarks.subject import BATCH, EVENTS, Epochs, Model, Subject, subject
from tailrank.cli.options import Data, Seed
from tailrank.errors import RequestError

PEOPLE: Final = 10_000
SENDERS: Final = 4
SINGLES: Final = 32
START: Final = 1_700_000_000


def ingest(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    events: Annotated[
        int, typer.Option(min=100, help="Events in batches; a fifth as many singly; a tenth for freshness.")
    ] = 100_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Send events in batches of 500 on 4 connections, then singly on 32; kill the server, and look for them.

    People are drawn evenly among 10,000, items as often as people took them. What is refused with 429 is
    sent again, and its time counts. All events are acknowledged before the server is killed with SIGKILL;
    `lost` are those of anybody's latest 50 that another server doesn't find in its state.

    `fresh`: an event is sent, and when it is acknowledged a ranking is asked for on another connection: with
    one worker, then with two, each at the other end of one connection. It misses the event unless its scores
    are those that the library computes with it.
    """
    with subject(data, model, sequence_epochs, seed) as it:
        sent = drawn(it, events + events // 5, np.random.default_rng(seed))
        batches = [sent[at : min(at + BATCH, events)] for at in range(0, events, BATCH)]
        with running(it.model, it.state) as server:
            figures: Figures = {
                "batches": _rate(server, batches, SENDERS),
                "singles": _rate(server, [[event] for event in sent[events:]], SINGLES),
            }
            server.kill()
        with running(it.model, it.state) as server:
            figures["killed"] = {"acknowledged": len(sent), "lost": lost(server, sent)}
        figures["fresh"] = freshness(it, events // 10, 1)
        figures["fresh, 2 workers"] = freshness(it, events // 10, 2)
    show(figures, as_json)


def drawn(it: Subject, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw events, a millisecond apart."""
    counts = it.dataset.counts
    items = rng.choice(len(counts), n, p=counts / counts.sum()).tolist()
    people, names, kind = (
        rng.integers(PEOPLE, size=n).tolist(),
        it.dataset.item_ids,
        it.dataset.event_types[0],
    )
    return [
        {
            "event_id": str(at),
            "user_id": f"person-{person}",
            "item_id": names[item],
            "event": kind,
            "timestamp": START + at / 1000,
        }
        for at, (person, item) in enumerate(zip(people, items, strict=True))
    ]


def _rate(server: Running, batches: Sequence[Sequence[dict[str, Any]]], connections: int) -> Figures:
    """Send each batch as one request, and those that the server is too busy for again, until all are kept.

    Raises
    ------
    RequestError
        Where one is refused for another reason.
    """
    bodies = (msgspec.json.encode(batch[0] if len(batch) == 1 else batch) for batch in batches)
    requests = [request("/v1/events", body) for body in bodies]
    n, busy, seconds, taken = sum(map(len, batches)), 0, 0.0, []
    while requests:
        answers = drive(server.port, requests, connections)
        if not np.isin(answers.status, (OK, SHED)).all():
            raise RequestError(f"events were answered with {sorted(set(answers.status.tolist()))}")
        seconds += answers.seconds
        taken.append(answers.ms[answers.status == OK])
        requests = [one for one, status in zip(requests, answers.status, strict=True) if status == SHED]
        busy += len(requests)
    return {
        "events": n,
        "connections": connections,
        "events_per_s": n / seconds,
        "sent_again": busy,
        **percentiles(np.concatenate(taken)),
    }


def lost(server: Running, sent: Sequence[dict[str, Any]]) -> int:
    """Count events that are among somebody's latest 50 and are not found."""
    wanted: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for event in sent:
        wanted[event["user_id"]].append((event["item_id"], event["timestamp"]))
    connection = Connection(server.port)
    missing = 0
    for user, events in wanted.items():
        found = connection.ask(f"/v1/users/{user}/history")["events"]
        missing += len(set(events[-EVENTS:]) - {(event["item_id"], event["timestamp"]) for event in found})
    return missing

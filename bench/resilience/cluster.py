"""Let a cluster lose two primaries, one after the other, while a server ranks and stores events."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.resilience.clients import (
    BATCH,
    Job,
    Outcome,
    RecordingClient,
    event,
    history_of,
    items_of,
    load,
    rank,
)
from bench.study import Json, Keep, Model, report
from bench.valkey import Cluster
from bench.waiting import wait_until
from tailrank.benchmarks.launcher import Server

SECONDS: Final = 8.0
"""Of each phase."""

EVENTS: Final = 40
"""Of each user: fewer than a state keeps, so that every one can be looked up."""

PAUSE: Final = 0.02
"""Seconds between two batches, so that a phase has as many however long its refusals take."""

PATIENCE: Final = 120.0
"""Seconds within which a replica takes over, even on a busy machine."""


def users(name: str, n: int) -> list[str]:
    """Name the users of the n-th batch of a job; after so many events, there are others."""
    return [f"{name}-{n // EVENTS}-{u}" for u in range(BATCH)]


def store(name: str) -> Job:
    """Send the next event of each user; what is refused is not sent again."""

    def send(client: RecordingClient, n: int) -> None:
        client.ask("/v1/events", [event(user, f"i{n}", n) for user in users(name, n)])
        time.sleep(PAUSE)

    return send


def measure(model: Path, folder: Path, seconds: float = SECONDS) -> Json:
    """Kill two primaries, and count what was acknowledged, what of it is lost, and every status."""
    names = ("one", "other")
    with Cluster(folder / "cluster") as cluster, Server(model, cluster.url) as server:
        jobs = {"rank": rank(items_of(model)), **{name: store(name) for name in names}}
        found: Json = {}
        with load(server.port, jobs) as clients:
            for phase, victim in {"calm": None, "first": 0, "second": 1}.items():
                begun = time.monotonic()
                if victim is not None:
                    cluster.servers[victim].kill()
                    since = begun + Cluster.NODE_TIMEOUT_MS / 1e3  # before, not even the cluster knows it
                    wait_until(lambda: _stored(clients["one"].outcomes, since), PATIENCE)  # noqa: B023
                    found.setdefault("recovered_after_s", []).append(round(time.monotonic() - begun, 2))
                time.sleep(seconds)
                sent = [o for name in names for o in _since(clients[name].outcomes, begun)]
                found[phase] = _summary(_since(clients["rank"].outcomes, begun), sent)
        outcomes = {name: clients[name].outcomes for name in names}
        found["acknowledged"] = BATCH * sum(o.status == 200 for each in outcomes.values() for o in each)
        found["lost"] = sum(_lost(server.port, name, each) for name, each in outcomes.items())
    return found


def _since(outcomes: Sequence[Outcome], begun: float) -> list[Outcome]:
    return [outcome for outcome in list(outcomes) if outcome.at >= begun]


def _stored(outcomes: Sequence[Outcome], since: float) -> bool:
    """Whether the latest batches since a time were all stored."""
    statuses = [outcome.status for outcome in _since(outcomes, since)]
    return len(statuses) >= EVENTS and set(statuses[-EVENTS:]) == {200}


def _summary(ranked: Sequence[Outcome], sent: Sequence[Outcome]) -> Json:
    return {
        "events": dict(Counter(str(o.status) for o in sent)),
        "rankings": dict(Counter(str(o.status) for o in ranked)),
        "degraded": sum(o.status == 200 and o.answer["degraded"] for o in ranked),
        "ranking_p99_ms": round(float(np.quantile([o.ms for o in ranked], 0.99)), 1),
    }


def _lost(port: int, name: str, outcomes: Sequence[Outcome]) -> int:
    """Count acknowledged events that aren't there."""
    client, missing = RecordingClient(port), 0
    for start in range(0, len(outcomes), EVENTS):
        some = range(start, min(start + EVENTS, len(outcomes)))
        wanted = {f"i{n}" for n in some if outcomes[n].status == 200}
        missing += sum(len(wanted - set(history_of(client, user))) for user in users(name, start))
    client.close()
    return missing


def main(model: Model, keep: Keep = False) -> None:
    """Do so, print one JSON object, and keep it."""
    with tempfile.TemporaryDirectory() as folder:
        report("cluster.json", measure(model, Path(folder)), keep)

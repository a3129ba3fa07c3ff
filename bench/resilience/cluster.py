"""Let a cluster move slots and lose two primaries, and roll a model out, while replicas rank and store."""

from __future__ import annotations

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from valkey.crc import key_slot

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
from tailrank.policy.tail import TailBoost
from tailrank.ranking.registry import CURRENT, Registry
from tailrank.ranking.reranker import Reranker
from tailrank.state.networked import USER_PREFIX

REPLICAS: Final = 3

NAMES: Final = "one", "other"
"""Of the clients that send events, each to another replica."""

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


def measure(model: Path, folder: Path, seconds: float = SECONDS, replicas: int = REPLICAS) -> Json:
    """Move slots, roll a model out, kill two primaries; count what is acknowledged and lost, and statuses."""
    registry = Registry(folder / "models")
    registry.folder.mkdir()
    first, second = (registry.add(each, {}) for each in _versions(model))
    registry.promote(first)
    with Cluster(folder / "cluster") as cluster, ExitStack() as running:
        place = registry.folder / CURRENT
        servers = [running.enter_context(Server(place, cluster.url)) for _ in range(replicas)]
        found: Json = {"replicas": replicas}
        with ExitStack() as loading:
            clients: dict[str, RecordingClient] = {}
            for n, server in enumerate(servers):
                jobs = {name: store(name) for name in NAMES[n::replicas]}
                clients |= loading.enter_context(
                    load(server.port, {f"rank-{n}": rank(items_of(model)), **jobs})
                )
            watched = Watched(clients, seconds)
            found["calm"] = watched.phase(lambda: {})
            found["slots"] = watched.phase(lambda: _move(cluster, watched))
            found["rollout"] = watched.phase(lambda: _roll_out(registry, second, watched))
            for victim, name in enumerate(("first", "second")):
                found[name] = watched.phase(partial(_kill, cluster, victim, watched))
        outcomes = {name: clients[name].outcomes for name in NAMES}
        found["acknowledged"] = BATCH * sum(o.status == 200 for each in outcomes.values() for o in each)
        found["lost"] = sum(_lost(servers[0].port, name, each) for name, each in outcomes.items())
    return found


@dataclass(frozen=True)
class Watched:
    """Clients at work, and how long each phase goes on after what happens in it."""

    clients: Mapping[str, RecordingClient]
    seconds: float

    def phase(self, happen: Callable[[], Json]) -> Json:
        """Let something happen, and sum up what came of requests since."""
        begun = time.monotonic()
        found = happen()
        time.sleep(self.seconds)
        sent = [o for name in NAMES for o in _since(self.clients[name].outcomes, begun)]
        return found | _summary([o for each in self.ranked(begun) for o in each], sent, begun)

    def ranked(self, begun: float) -> list[list[Outcome]]:
        """List the rankings of each replica since a time."""
        return [_since(client.outcomes, begun) for name, client in self.clients.items() if name not in NAMES]


def _versions(model: Path) -> tuple[Reranker, Reranker]:
    """Read a model, and make another one of the same items."""
    reranker = Reranker.load(model)
    return reranker, replace(reranker, policy=(TailBoost(0.25),))


def _move(cluster: Cluster, watched: Watched) -> Json:
    """Hand the slots of users whose events are under way to the next primary, one after the other."""
    begun, keys = time.monotonic(), 0
    under_way = [user for name in NAMES for user in users(name, len(watched.clients[name].outcomes))]
    slots = {key_slot(USER_PREFIX + user.encode()) for user in under_way}
    for slot in slots:
        keys += sum(1 for _ in cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3)) - 1
    return {"moved": {"slots": len(slots), "keys": keys, "s": round(time.monotonic() - begun, 2)}}


def _roll_out(registry: Registry, version: str, watched: Watched) -> Json:
    """Promote a version, and wait until every replica ranks by it."""
    begun = time.monotonic()
    registry.promote(version)
    promoted = time.monotonic()

    def is_everywhere() -> bool:
        latest = [ranked[-1:] for ranked in watched.ranked(promoted)]
        return all(each and _model(each[0]) == version.rpartition("-")[2] for each in latest)

    wait_until(is_everywhere, PATIENCE)
    return {
        "promoted_s": round(promoted - begun, 2),
        "everywhere_after_s": round(time.monotonic() - promoted, 2),
    }


def _kill(cluster: Cluster, victim: int, watched: Watched) -> Json:
    """Kill a primary, and wait until the events of all users are stored again."""
    begun = time.monotonic()
    cluster.servers[victim].kill()
    since = begun + Cluster.NODE_TIMEOUT_MS / 1e3  # before, not even the cluster knows it
    wait_until(lambda: _stored(watched.clients[NAMES[0]].outcomes, since), PATIENCE)
    return {"recovered_after_s": round(time.monotonic() - begun, 2)}


def _model(outcome: Outcome) -> str:
    """Name the model that ranked as the end of a version's name does; nothing if none did."""
    return str(outcome.answer["model"]).rpartition("@")[2] if outcome.status == 200 else ""


def _since(outcomes: Sequence[Outcome], begun: float) -> list[Outcome]:
    return [outcome for outcome in list(outcomes) if outcome.at >= begun]


def _stored(outcomes: Sequence[Outcome], since: float) -> bool:
    """Whether the latest batches since a time were all stored."""
    statuses = [outcome.status for outcome in _since(outcomes, since)]
    return len(statuses) >= EVENTS and set(statuses[-EVENTS:]) == {200}


def _summary(ranked: Sequence[Outcome], sent: Sequence[Outcome], begun: float) -> Json:
    by_second = defaultdict[int, list[float]](list)
    for outcome in ranked:
        by_second[int(outcome.at - begun)].append(outcome.ms)
    return {
        "events": dict(Counter(str(o.status) for o in sent)),
        "rankings": dict(Counter(str(o.status) for o in ranked)),
        "degraded": sum(o.status == 200 and o.answer["degraded"] for o in ranked),
        "ranking_p99_ms": _p99([o.ms for o in ranked]),
        "worst_second_p99_ms": max(map(_p99, by_second.values())),
    }


def _p99(times: Sequence[float]) -> float:
    return round(float(np.quantile(times, 0.99)), 1)


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

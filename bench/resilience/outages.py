"""What a server does when things go wrong around it: killed, cut off, out of room, given another model."""

from __future__ import annotations

import json
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Annotated, Final

import typer

from bench.resilience.clients import (
    BATCH,
    Job,
    Outcome,
    RecordingClient,
    event,
    history_of,
    ingest,
    items_of,
    load,
    lost,
    rank,
)
from bench.study import Json, Keep, Model, chosen, report
from bench.valkey import BINARY
from bench.valkey import Server as Valkey
from bench.waiting import wait_until
from tailrank.benchmarks.launcher import Server
from tailrank.files import written_folder
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.state.environment import check_pages

KILLS: Final = 50
SWAPS: Final = 100
DEADLINE_MS: Final = 200.0
SECONDS: Final = (0.05, 0.5)
"""Between the first acknowledged event and a kill, drawn evenly."""

PATIENCE: Final = 60.0
"""Seconds until a server does what it certainly will."""

Clients = Mapping[str, RecordingClient]


def kills(model: Path, folder: Path, n: int, workers: int = 1) -> Json:
    """Kill a server while it stores events and ranks, again and again; look for what was acknowledged."""
    rng, missing, faults = random.Random(0), 0, 0  # noqa: S311
    acknowledged: dict[str, list[Outcome]] = {}
    candidates, started = items_of(model), []
    with Server(model, folder / "state", "--workers", str(workers)) as server:
        for turn in range(n):
            jobs = ingests(f"k{turn}-")
            with load(server.port, {**jobs, "rank": rank(candidates)}) as clients:
                wait_until(partial(_answered, {name: clients[name] for name in jobs}, 200), PATIENCE)
                time.sleep(rng.uniform(*SECONDS))
                server.kill()
            fresh = {name: _until_failure(clients[name].outcomes) for name in jobs}
            faults += _statuses(clients)["500"]
            start = time.monotonic()
            server.start()
            started.append(time.monotonic() - start)
            missing += lost(server.port, fresh)
            acknowledged |= fresh
        missing += lost(server.port, acknowledged)
    check_pages(folder / "state")
    return {
        "kills": n,
        "acknowledged": BATCH * sum(o.status == 200 for each in acknowledged.values() for o in each),
        "lost": missing,
        "faults": faults,
        "damaged": False,
        "slowest_start_s": round(max(started), 2),
    }


def cut_off(model: Path, folder: Path, seconds: float) -> Json:
    """Pause the Valkey server under load, let it go on, stop it, start it again."""
    candidates, folder = items_of(model), folder / "valkey"
    folder.mkdir()
    with Valkey(folder) as valkey, Server(model, valkey.url) as server:
        jobs = {
            "patient": rank(candidates),
            "in time": rank(candidates, deadline_ms=DEADLINE_MS),
            "one": ingest("one"),
            "other": ingest("other"),
        }
        phases = {
            "before": lambda: None,
            "paused": lambda: valkey.process.send_signal(SIGSTOP),
            "resumed": lambda: valkey.process.send_signal(SIGCONT),
            "stopped": valkey.kill,
            "started": valkey.start,
        }
        found: Json = {}
        with load(server.port, jobs) as clients:
            for name, change in phases.items():
                begun = time.monotonic()
                change()
                recovered = _recovery(server.port, begun) if name in {"resumed", "started"} else None
                time.sleep(seconds)
                found[name] = _summaries(clients, begun)
                found[name] |= {} if recovered is None else {"recovery_s": recovered}
        found["lost"] = lost(server.port, {job: clients[job].outcomes for job in ("one", "other")})
        found["strange"] = _strange(server.port)
        found["faults"] = _statuses(clients)["500"]
    return found


def full(model: Path, folder: Path, seconds: float) -> Json:
    """Let the state grow until files may not, rank on, then give room again."""
    candidates = items_of(model)
    with Server(model, folder / "state") as server:
        storing, found = ingests("f"), Json()
        with load(server.port, {"rank": rank(candidates), **storing}) as clients:
            time.sleep(seconds)
            unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
            size = (folder / "state" / "data.mdb").stat().st_size
            for phase, limit in {"full": (size, unlimited[1]), "room": unlimited}.items():
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
                begun = time.monotonic()
                if phase == "full":
                    wait_until(partial(_answered, clients, 503, begun), PATIENCE)
                else:
                    for name in storing:
                        wait_until(partial(_answered, {name: clients[name]}, 200, begun), PATIENCE)
                time.sleep(seconds)
                found[phase] = _summaries(clients, begun)
        found["faults"] = _statuses(clients)["500"]
        found["lost"] = lost(server.port, {name: clients[name].outcomes for name in storing})
    check_pages(folder / "state")
    return found


def clock(model: Path, folder: Path) -> Json:
    """Send events in time order, then some from before, as after a clock was set back."""
    with Server(model, folder / "state", "--ttl-days", "36500") as server:
        client = RecordingClient(server.port)
        answers = [client.ask("/v1/events", event("ada", f"now{n}", 1_000 + n)) for n in range(10)]
        answers += [client.ask("/v1/events", event("ada", f"then{n}", n)) for n in range(10)]
        answers.append(client.ask("/v1/rank", {"candidates": items_of(model), "user": "ada"}))
        order = history_of(client, "ada")
        client.close()
    return {
        "statuses": dict(Counter(str(o.status) for o in answers)),
        "degraded": answers[-1].answer["degraded"],
        "in_order": order == [f"{when}{n}" for when in ("then", "now") for n in range(10)],
    }


def swaps(model: Path, folder: Path, n: int) -> Json:
    """Replace the model under load; hold every answer to the model that it names."""
    first = Reranker.load(model)
    candidates, served = items_of(model), folder / "swapped"
    twins, expected = (folder / "a", folder / "b"), dict[str, list[str]]()
    for at, twin in enumerate(twins):
        changed = replace(first, policy=(TailBoost(float(at)),))
        changed.save(twin)
        name = f"{served.name}@{json.loads((twin / 'manifest.json').read_bytes())['sha256'][:12]}"
        expected[name] = [i.item_id for i in changed.rank(candidates[:3], candidates)]
    shutil.copytree(twins[0], served)
    body = {"candidates": candidates, "history": candidates[:3]}
    swapped: list[float] = []
    with Server(served, folder / "state", "--queue-ms", "10000") as server:
        jobs: dict[str, Job] = {f"r{c}": lambda client, _: client.ask("/v1/rank", body) for c in range(3)}
        with load(server.port, {**jobs, "events": ingest("s")}) as clients:
            for turn in range(n):
                with written_folder(served) as new:
                    shutil.copytree(twins[1 - turn % 2], new, dirs_exist_ok=True)
                begun, wanted = time.monotonic(), list(expected)[1 - turn % 2]
                wait_until(lambda: _latest(clients["r0"]) == wanted, PATIENCE)  # noqa: B023
                swapped.append(time.monotonic() - begun)
    ranked = [o.answer for name in jobs for o in clients[name].outcomes if o.status == 200]
    wrong = sum([i["id"] for i in a["items"]] != expected.get(a["model"]) or a["degraded"] for a in ranked)
    return {
        "swaps": n,
        "statuses": _statuses(clients),
        "by_model": dict(Counter(a["model"] for a in ranked)),
        "mixed": wrong,
        "slowest_ms": round(max(o.ms for c in clients.values() for o in c.outcomes), 1),
        "slowest_swap_s": round(max(swapped), 2),
    }


def ingests(prefix: str) -> dict[str, Job]:
    """Give three jobs that store events."""
    return {f"{prefix}{c}": ingest(f"{prefix}{c}") for c in range(3)}


def _answered(clients: Clients, status: int, since: float = 0.0) -> bool:
    """Whether a request that was sent since a time had such an answer."""
    outcomes = (outcome for each in clients.values() for outcome in list(each.outcomes))
    return any(outcome.status == status and outcome.at >= since for outcome in outcomes)


def _latest(client: RecordingClient) -> str | None:
    """Name the model of the latest ranking."""
    ranked = [outcome.answer["model"] for outcome in client.outcomes[-5:] if outcome.status == 200]
    return ranked[-1] if ranked else None


def _until_failure(outcomes: list[Outcome]) -> list[Outcome]:
    """Give the acknowledged outcomes, and the first after them, which the server may have stored as well."""
    n = next((n for n, outcome in enumerate(outcomes) if outcome.status != 200), len(outcomes))
    return outcomes[: n + 1]


def _strange(port: int) -> int:
    """Count events that are read for users who have none."""
    client = RecordingClient(port)
    histories = [history_of(client, f"u{n}") for n in range(50)]
    client.close()
    return sum(map(len, histories))


def _recovery(port: int, begun: float) -> float:
    """Wait until a ranking works again; gives the seconds since."""
    client = RecordingClient(port)
    wait_until(lambda: client.ask("/readyz").status == 200, PATIENCE)
    client.close()
    return round(time.monotonic() - begun, 2)


def _summaries(clients: Clients, since: float) -> Json:
    """Sum up what came of the requests of each client since a time."""
    return {
        name: _summary([outcome for outcome in list(client.outcomes) if outcome.at >= since])
        for name, client in clients.items()
    }


def _summary(outcomes: list[Outcome]) -> Json:
    ranked = [o.answer for o in outcomes if o.status == 200 and "model" in o.answer]
    reasons = Counter(str(answer["reason"]) for answer in ranked if answer.get("reason") is not None)
    return {
        "statuses": dict(Counter(str(o.status) for o in outcomes)),
        "degraded": dict(reasons),
        "slowest_ms": round(max((o.ms for o in outcomes), default=0.0), 1),
    }


def _statuses(clients: Clients) -> Counter[str]:
    return Counter(str(o.status) for client in clients.values() for o in client.outcomes)


RUNS: Final[Mapping[str, Callable[[Path, Path], Json]]] = {
    "kills": lambda model, folder: kills(model, folder, KILLS),
    "workers": lambda model, folder: kills(model, folder, KILLS // 5, workers=2),
    "disk": lambda model, folder: full(model, folder, 3),
    "clock": clock,
    "swaps": lambda model, folder: swaps(model, folder, SWAPS),
    "valkey": lambda model, folder: cut_off(model, folder, 4),
}


def main(
    model: Model,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(RUNS)}; may be given again.")] = None,
    keep: Keep = False,
) -> None:
    """Let everything go wrong, print one JSON object, and keep it."""
    found: Json = {}
    for name in chosen(only, RUNS):
        if name == "valkey" and BINARY is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found[name] = RUNS[name](model, Path(folder))
        print(json.dumps({name: found[name]}), flush=True)
    report("outages.json", found, keep)

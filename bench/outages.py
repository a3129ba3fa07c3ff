"""What a server does when things go wrong around it: killed, cut off, out of room, given another model."""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Final

from bench.run import RESULTS, keep
from bench.served import Caller, Job, Outcome, Running, load
from bench.stored import Json
from bench.valkey import BINARY, Server
from tailrank.data.columns import Columns
from tailrank.files import replaced
from tailrank.machine import machine
from tailrank.ranking.reranker import Reranker
from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.environment import check_pages

KILLS: Final = 50
SWAPS: Final = 100
BATCH: Final = 20
CANDIDATES: Final = 100
DEADLINE_MS: Final = 200.0
SECONDS: Final = (0.05, 0.5)
"""Between the first acknowledged event and a kill, drawn evenly."""

START: Final = 1_700_000_000.0


def items_of(model: Path) -> list[str]:
    """List some items of a model."""
    names: list[str] = Reranker.load(model).catalogue.items[Columns.ITEM].head(CANDIDATES).to_list()
    return names


def event(user: str, item: str, n: int, kind: str = "click") -> dict[str, object]:
    """Describe the n-th event of a user."""
    return {
        "event_id": f"{item}#{n}",
        "user_id": user,
        "item_id": item,
        "event": kind,
        "timestamp": START + n,
    }


def ingest(name: str) -> Job:
    """Send batches: in each, the next event of every user of this job."""
    users = [f"{name}-{u}" for u in range(BATCH)]
    return lambda caller, n: caller.ask("/v1/events", [event(user, f"i{n}", n) for user in users])


def rank(items: list[str], **how: object) -> Job:
    """Ask for rankings of the same items for one user after the other."""
    return lambda caller, n: caller.ask("/v1/rank", {"candidates": items, "user": f"u{n % 50}", **how})


def past(caller: Caller, user: str) -> list[str]:
    """Read the items of a user's past; asks again where the server was too busy."""
    while (found := caller.ask(f"/v1/users/{user}", method="GET")).status == 429:
        time.sleep(0.01)
    return [each["item_id"] for each in found.answer["events"]]


def lost(port: int, acknowledged: Mapping[str, int]) -> int:
    """Count acknowledged events that aren't there; of each job, so many batches were answered with 200."""
    caller, missing = Caller(port), 0
    for name, n in acknowledged.items():
        wanted = {
            f"i{at}" for at in range(max(0, n + 1 - EVENTS_PER_USER), n)
        }  # one more may be there, unacknowledged
        for u in range(BATCH):
            missing += len(wanted - set(past(caller, f"{name}-{u}")))
    caller.connection.close()
    return missing


def kills(model: Path, folder: Path, n: int, workers: int = 1) -> Json:
    """Kill a server while it takes events and ranks, again and again; then look for what was acknowledged."""
    rng, acknowledged, missing, faults = random.Random(0), {}, 0, 0  # noqa: S311
    candidates, started = items_of(model), []
    with Running(model, folder / "state", "--workers", str(workers)) as server:
        for turn in range(n):
            jobs = {f"k{turn}-{c}": ingest(f"k{turn}-{c}") for c in range(3)}
            with load(server.port, {**jobs, "rank": rank(candidates)}) as callers:
                _await(lambda: any(_done(callers[name].outcomes) for name in callers if name != "rank"), 20)
                time.sleep(rng.uniform(*SECONDS))
                server.kill()
            fresh = {name: _done(callers[name].outcomes) for name in jobs}
            faults += _statuses(callers.values())["500"]
            start = time.monotonic()
            server.start()
            started.append(time.monotonic() - start)
            missing += lost(server.port, fresh)
            acknowledged |= fresh
        missing += lost(server.port, acknowledged)
    check_pages(folder / "state")
    return {
        "kills": n,
        "acknowledged": BATCH * sum(acknowledged.values()),
        "lost": missing,
        "faults": faults,
        "damaged": False,
        "slowest_start_s": round(max(started), 2),
    }


def cut_off(model: Path, folder: Path, seconds: float) -> Json:
    """Pause the Valkey server under load, let it go on, stop it, start it again."""
    candidates, folder = items_of(model), folder / "valkey"
    folder.mkdir()
    with Server(folder) as valkey, Running(model, valkey.url) as server:
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
        told: Json = {}
        with load(server.port, jobs) as callers:
            for name, change in phases.items():
                begun = time.monotonic()
                change()
                recovered = _recovery(server.port, begun) if name in {"resumed", "started"} else None
                time.sleep(seconds)
                outcomes = {job: _since(caller, begun) for job, caller in callers.items()}
                told[name] = {job: _summary(found) for job, found in outcomes.items()}
                told[name] |= {} if recovered is None else {"recovery_s": recovered}
        acknowledged = {job: _done(callers[job].outcomes) for job in ("one", "other")}
        told["lost"] = _lost_of(server.port, {job: callers[job].outcomes for job in acknowledged})
        told["strange"] = _strange(server.port)
        told["faults"] = _statuses(callers.values())["500"]
    return told


def full(model: Path, folder: Path, seconds: float) -> Json:
    """Let the state grow until files may not, rank on, then give room again."""
    candidates = items_of(model)
    with Running(model, folder / "state") as server:
        jobs = {"rank": rank(candidates), **{f"f{c}": ingest(f"f{c}") for c in range(3)}}
        with load(server.port, jobs) as callers:
            time.sleep(seconds)
            unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
            size = (folder / "state" / "data.mdb").stat().st_size
            at_full = time.monotonic()
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
            _await(lambda: any(o.status == 503 for c in callers.values() for o in _since(c, at_full)), 60)
            time.sleep(seconds)
            while_full = {name: _summary(_since(caller, at_full)) for name, caller in callers.items()}
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
            at_room = time.monotonic()
            time.sleep(seconds)
            after = {name: _summary(_since(caller, at_room)) for name, caller in callers.items()}
        told: Json = {"full": while_full, "room": after, "faults": _statuses(callers.values())["500"]}
        told["lost"] = _lost_of(server.port, {n: c.outcomes for n, c in callers.items() if n != "rank"})
    check_pages(folder / "state")
    return told


def clock(model: Path, folder: Path) -> Json:
    """Send events in time order, then some from before, as after a clock was set back."""
    with Running(model, folder / "state", "--ttl-days", "36500") as server:
        caller = Caller(server.port)
        answers = [caller.ask("/v1/events", event("ada", f"now{n}", 1_000 + n)) for n in range(10)]
        answers += [caller.ask("/v1/events", event("ada", f"then{n}", n)) for n in range(10)]
        answers.append(caller.ask("/v1/rank", {"candidates": items_of(model), "user": "ada"}))
        order = past(caller, "ada")
        caller.connection.close()
    return {
        "statuses": dict(Counter(str(o.status) for o in answers)),
        "degraded": answers[-1].answer["degraded"],
        "in_order": order == [f"{when}{n}" for when in ("then", "now") for n in range(10)],
    }


def swaps(model: Path, folder: Path, n: int) -> Json:
    """Replace the model under load; hold every answer to the model that it names."""
    first = Reranker.load(model)
    candidates, place = items_of(model), folder / "swapped"
    twins, expected = (folder / "a", folder / "b"), {}
    for at, twin in enumerate(twins):
        changed = replace(first, tail=float(at))
        changed.save(twin)
        name = f"{place.name}@{json.loads((twin / 'manifest.json').read_bytes())['sha256'][:12]}"
        expected[name] = [i.item_id for i in changed.rank(candidates[:3], candidates)]
    shutil.copytree(twins[0], place)
    body = {"candidates": candidates, "history": candidates[:3]}
    seen: list[float] = []
    with Running(place, folder / "state", "--queue-ms", "10000") as server:
        jobs: dict[str, Job] = {f"r{c}": lambda caller, _: caller.ask("/v1/rank", body) for c in range(3)}
        with load(server.port, {**jobs, "events": ingest("s")}) as callers:
            for turn in range(n):
                with replaced(place) as new:
                    shutil.copytree(twins[1 - turn % 2], new, dirs_exist_ok=True)
                begun, wanted = time.monotonic(), list(expected)[1 - turn % 2]
                _await(lambda: _latest(callers["r0"]) == wanted, 20)  # noqa: B023
                seen.append(time.monotonic() - begun)
    ranked = [o.answer for name in jobs for o in callers[name].outcomes if o.status == 200]
    wrong = sum([i["id"] for i in a["items"]] != expected.get(a["model"]) or a["degraded"] for a in ranked)
    return {
        "swaps": n,
        "statuses": _statuses(callers.values()),
        "by_model": dict(Counter(a["model"] for a in ranked)),
        "mixed": wrong,
        "slowest_ms": round(max(o.ms for c in callers.values() for o in c.outcomes), 1),
        "slowest_swap_s": round(max(seen), 2),
    }


def _latest(caller: Caller) -> str | None:
    """Name the model of the latest ranking."""
    ranked = [outcome.answer["model"] for outcome in caller.outcomes[-5:] if outcome.status == 200]
    return ranked[-1] if ranked else None


def _done(outcomes: Iterable[Outcome]) -> int:
    """Count batches that were acknowledged before the first that was not."""
    n = 0
    for outcome in outcomes:
        if outcome.status != 200:
            return n
        n += 1
    return n


def _lost_of(port: int, outcomes: Mapping[str, list[Outcome]]) -> int:
    """Count acknowledged events that aren't there, where some batches between them were refused."""
    caller, missing = Caller(port), 0
    for name, found in outcomes.items():
        sent = [f"i{n}" for n in range(len(found))]
        wanted = {item for item, o in zip(sent, found, strict=True) if o.status == 200}
        wanted &= set(sent[-EVENTS_PER_USER:])
        for u in range(BATCH):
            missing += len(wanted - set(past(caller, f"{name}-{u}")))
    caller.connection.close()
    return missing


def _strange(port: int) -> int:
    """Count events that are read for somebody who never did anything."""
    caller = Caller(port)
    pasts = [past(caller, f"u{n}") for n in range(50)]
    caller.connection.close()
    return sum(map(len, pasts))


def _recovery(port: int, begun: float) -> float:
    """Wait until a ranking works again; gives the seconds since."""
    caller = Caller(port)
    _await(lambda: caller.ask("/readyz", method="GET").status == 200, 30)
    caller.connection.close()
    return round(time.monotonic() - begun, 2)


def _since(caller: Caller, begun: float) -> list[Outcome]:
    return [outcome for outcome in list(caller.outcomes) if outcome.at >= begun]


def _summary(outcomes: list[Outcome]) -> Json:
    reasons = Counter(
        str(o.answer.get("reason")) for o in outcomes if o.status == 200 and "model" in o.answer
    )
    slowest = max((o.ms for o in outcomes), default=0.0)
    return {
        "statuses": dict(Counter(str(o.status) for o in outcomes)),
        "degraded": {why: n for why, n in reasons.items() if why != "None"},
        "slowest_ms": round(slowest, 1),
    }


def _statuses(callers: Iterable[Caller]) -> Counter[str]:
    return Counter(str(o.status) for caller in callers for o in caller.outcomes)


def _await(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"nothing happened within {seconds:g} s")
        time.sleep(0.01)


def main() -> None:
    """Let everything go wrong, print one JSON object, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m bench.outages", description=__doc__)
    parser.add_argument("model", type=Path, help="model folder to serve")
    parser.add_argument("--only", nargs="+", help="which of kills, workers, valkey, disk, clock, swaps")
    parser.add_argument("--keep", action="store_true", help="keep the figures in bench/results/outages.json")
    given = parser.parse_args()
    studies: dict[str, Callable[[Path], Json]] = {
        "kills": lambda folder: kills(given.model, folder, KILLS),
        "workers": lambda folder: kills(given.model, folder, KILLS // 5, workers=2),
        "disk": lambda folder: full(given.model, folder, 3),
        "clock": lambda folder: clock(given.model, folder),
        "swaps": lambda folder: swaps(given.model, folder, SWAPS),
    }
    if BINARY is not None:
        studies["valkey"] = lambda folder: cut_off(given.model, folder, 4)
    figures: Json = {"command": "python -m bench.outages MODEL", **machine()}
    for name in given.only or studies:
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = studies[name](Path(folder))
        print(json.dumps({name: figures[name]}), flush=True)
    if given.keep:
        keep(RESULTS / "outages.json", figures)


if __name__ == "__main__":
    main()

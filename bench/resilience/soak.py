"""Send an hour's worth of requests, as fast as they go, and watch the server's memory."""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from bench.outages import event, items_of
from bench.run import RESULTS, keep
from bench.served import Caller, Running
from bench.stored import Json
from tailrank.machine import machine

REQUESTS: Final = 200_000
"""As many as come in an hour at 55 a second."""

CLIENTS: Final = 4
USERS: Final = 5_000
NEW_ITEMS: Final = 200
SAMPLES: Final = 200
SHARES: Final = {"rank": 0.6, "events": 0.345, "past": 0.05, "items": 0.005}


def resident(process: int) -> dict[str, float]:
    """Read a process's memory in MB: its own, and pages of files."""
    status = Path(f"/proc/{process}/status").read_text()
    return {name: int(kb) / 1024 for name, kb in re.findall(r"(RssAnon|RssFile):\s+(\d+) kB", status)}


def client(port: int, items: list[str], seed: int, requests: int, statuses: Counter[str]) -> None:
    """Send a mixture of requests."""
    rng, caller = random.Random(seed), Caller(port)  # noqa: S311
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=requests)
    for n, kind in enumerate(kinds):
        user = f"u{rng.randrange(USERS)}"
        if kind == "rank":
            how = {"user": user, "explain": n % 20 == 0}
            found = caller.ask("/v1/rank", {"candidates": [*items, f"new{n % NEW_ITEMS}"], **how})
        elif kind == "events":
            events = [event(user, rng.choice(items), seed * requests + n) for _ in range(rng.randint(1, 5))]
            found = caller.ask("/v1/events", events)
        elif kind == "past":
            found = caller.ask(f"/v1/users/{user}", method="GET")
        else:
            item = {
                "item_id": f"new{n % NEW_ITEMS}",
                "title": f"The {rng.choice('abcdefgh')} story, part {n}",
            }
            found = caller.ask("/v1/items", item)
        caller.outcomes.clear()
        degraded = kind == "rank" and found.status == 200 and found.answer["degraded"]
        statuses[f"{kind} {found.status}{' degraded' if degraded else ''}"] += 1
    caller.connection.close()


def soak(model: Path, folder: Path, requests: int) -> Json:
    """Send requests, and watch the memory of the server all along."""
    counts = [Counter[str]() for _ in range(CLIENTS)]
    candidates = items_of(model)
    with Running(model, folder / "state") as server:
        begun = time.monotonic()
        threads = [
            threading.Thread(target=client, args=(server.port, candidates, seed, requests // CLIENTS, count))
            for seed, count in enumerate(counts)
        ]
        for thread in threads:
            thread.start()
        seen: list[tuple[int, float, float]] = []
        while any(thread.is_alive() for thread in threads):
            done = sum(sum(count.values()) for count in counts)
            if done >= len(seen) * requests / SAMPLES:
                seen.append((done, *resident(server.process.pid).values()))
            time.sleep(0.02)
        seconds = time.monotonic() - begun
    at, own, mapped = (np.array(column) for column in zip(*seen, strict=True))
    late = at >= requests / 2
    return {
        "requests": requests,
        "seconds": round(seconds),
        "statuses": dict(sum(counts, Counter())),
        "own_mb": {"start": round(own[0], 1), "half": round(own[late][0], 1), "end": round(own[-1], 1)},
        "mapped_mb": {"start": round(mapped[0], 1), "end": round(mapped[-1], 1)},
        "own_mb_per_100k": round(1e5 * np.polyfit(at[late], own[late], 1)[0], 2),
    }


def main() -> None:
    """Soak, print one JSON object, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("model", type=Path, help="model folder to serve")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--keep", action="store_true", help="keep the figures in bench/results/soak.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(given.model, Path(folder), given.requests)
    figures = {"command": "python -m bench.soak MODEL", **figures, **machine()}
    print(json.dumps(figures))
    if given.keep:
        keep(RESULTS / "soak.json", figures)


if __name__ == "__main__":
    main()

"""Send an hour's worth of requests, as fast as they go, and watch the server's memory."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from bench.resilience.clients import Job, RecordingClient, event, items_of, load
from bench.study import Json, Keep, Model, report
from tailrank.benchmarks.launcher import Server, resident

REQUESTS: Final = 200_000
"""As many as come in an hour at 55 a second."""

CLIENTS: Final = 4
USERS: Final = 5_000
NEW_ITEMS: Final = 200
SAMPLES: Final = 200
SHARES: Final = {"rank": 0.6, "events": 0.345, "history": 0.05, "items": 0.005}
"""Of the requests."""


def mixture(items: list[str], seed: int, statuses: Counter[str]) -> Job:
    """Ask for this and that, and count what comes of it."""
    rng = random.Random(seed)  # noqa: S311

    def ask(client: RecordingClient, n: int) -> None:
        [what] = rng.choices(list(SHARES), list(SHARES.values()))
        user = f"u{rng.randrange(USERS)}"
        if what == "rank":
            how = {"user": user, "explain": n % 20 == 0}
            found = client.ask("/v1/rank", {"candidates": [*items, f"new{n % NEW_ITEMS}"], **how})
        elif what == "events":
            events = [event(user, rng.choice(items), seed * REQUESTS + n) for _ in range(rng.randint(1, 5))]
            found = client.ask("/v1/events", events)
        elif what == "history":
            found = client.ask(f"/v1/users/{user}")
        else:
            title = f"The {rng.choice('abcdefgh')} story, part {n}"
            found = client.ask("/v1/items", {"item_id": f"new{n % NEW_ITEMS}", "title": title})
        client.outcomes.clear()
        degraded = what == "rank" and found.status == 200 and found.answer["degraded"]
        statuses[f"{what} {found.status}{' degraded' if degraded else ''}"] += 1

    return ask


def soak(model: Path, folder: Path, requests: int) -> Json:
    """Send requests, and watch the memory of the server all along."""
    counts = [Counter[str]() for _ in range(CLIENTS)]
    items, samples, done = items_of(model), list[tuple[int, float, float]](), 0
    jobs = {f"c{seed}": mixture(items, seed, count) for seed, count in enumerate(counts)}
    with Server(model, folder / "state") as server:
        begun = time.monotonic()
        with load(server.port, jobs):
            while done < requests:
                done = sum(count.total() for count in counts)
                if done >= len(samples) * requests / SAMPLES:
                    held = resident(server.process.pid)
                    samples.append((done, held["own_mb"], held["files_mb"]))
                time.sleep(0.02)
        seconds = time.monotonic() - begun
    at, own, mapped = (np.array(column) for column in zip(*samples, strict=True))
    late = at >= requests / 2
    return {
        "requests": done,
        "seconds": round(seconds),
        "statuses": dict(sum(counts, Counter())),
        "own_mb": {"start": round(own[0], 1), "half": round(own[late][0], 1), "end": round(own[-1], 1)},
        "mapped_mb": {"start": round(mapped[0], 1), "end": round(mapped[-1], 1)},
        "own_mb_per_100k": round(1e5 * np.polyfit(at[late], own[late], 1)[0], 2),
    }


def main(model: Model, requests: int = REQUESTS, keep: Keep = False) -> None:
    """Soak, print one JSON object, and keep it."""
    with tempfile.TemporaryDirectory() as folder:
        report("soak.json", soak(model, Path(folder), requests), keep)

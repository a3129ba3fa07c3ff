"""Fill the embedded state with users of 50 events each; compare it with few users, and with none.

Users come in random order with all their events, items by their number of events, as an import brings
them. `own_mb` is memory of the server beyond one without users, after the same number of rankings;
`files_mb` are pages of the state's file that it has mapped: the system takes them back when it needs room,
and they can never be more than `disk_mb`. `compacted_mb` is the file after compaction, offline, once all
that is done. Rankings are of 100 candidates, for users drawn evenly, by one client that waits; each brings
an event that isn't stored, so that recalling a history doesn't help. The file is in the page cache, since
it was just written.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import measured_server, resident
from tailrank.benchmarks.subject import EVENTS, START, Subject
from tailrank.benchmarks.timing import WARM_UP, Measurements, time_requests
from tailrank.errors import RequestError
from tailrank.state.base import StoredEvent
from tailrank.state.open import open_state

FEW: Final = 10_000
CANDIDATES: Final = 100
AT_ONCE: Final = 100
"""Users whose events are kept in one call."""

LOOKED_UP: Final = 100


def measure(it: Subject, users: int, requests: int, seed: int) -> Measurements:
    """Time so many rankings with so many users, with few, and with none."""
    none = _measured(it, 0, requests, seed, {"own_mb": 0.0, "files_mb": 0.0})
    return {str(n): _measured(it, n, requests, seed, none) for n in (min(FEW, users // 10), users)}


def _measured(it: Subject, n: int, requests: int, seed: int, none: dict[str, float]) -> dict[str, float]:
    """Fill a state and serve it; memory is given beyond that of a server without users."""
    from tailrank.state.compaction import compact

    folder = it.state.with_name(f"state-{n}")
    start = time.perf_counter()
    asyncio.run(_fill(it, folder, n, np.random.default_rng(seed)))
    filling = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    users = [user_name(u) for u in rng.integers(max(1, n), size=requests + requests // WARM_UP).tolist()]
    bodies = it.rankings(len(users), CANDIDATES, rng, users, new_event=True)
    with measured_server(it.model, folder) as server:
        if n:
            _look_up(server.port, users[:LOOKED_UP])
        ranked = time_requests(server.port, [request("/v1/rank", body) for body in bodies], requests)
        held = {name: mb - none[name] for name, mb in resident(server.process.pid).items()}
    disk, compacted = (size / 1e6 for size in compact(folder))
    rate = n * EVENTS / filling
    return {"disk_mb": disk, "compacted_mb": compacted, **held, **ranked, "filled_events_per_s": rate}


def user_name(n: int) -> str:
    """Name a user, in 14 characters as Amazon does."""
    return f"A{n * 7_919_777 % 10**13:013d}"


async def _fill(it: Subject, folder: Path, n: int, rng: np.random.Generator) -> None:
    state, counts = open_state(str(folder)), it.dataset.counts
    names, event_type, share = it.dataset.item_ids, it.dataset.event_types[0], counts / counts.sum()
    for some in np.array_split(rng.permutation(n), max(1, n // AT_ONCE)):
        users = [user_name(user) for user in some.tolist() for _ in range(EVENTS)]
        items = rng.choice(len(names), len(users), p=share).tolist()
        times = (START + np.sort(rng.integers(10**7, size=(len(some), EVENTS)), axis=1)).ravel().tolist()
        rows = enumerate(zip(users, items, times, strict=True))
        await state.append(
            [StoredEvent(str(at), u, names[item], event_type, when) for at, (u, item, when) in rows]
        )
    await state.close()


def _look_up(port: int, users: list[str]) -> None:
    """Check that the state has all events of some users."""
    with closing(Connection(port)) as connection:
        for name in users:
            found = len(connection.ask(f"/v1/users/{name}/history")["events"])
            if found != EVENTS:
                raise RequestError(f"the state has {found} events of {name}, not {EVENTS}")

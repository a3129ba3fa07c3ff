"""`tailrank bench state`: what many people cost: room on disk, memory, and time of a ranking."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.figures import AsJson, Figures, show
from tailrank.benchmarks.http import WARM_UP, exchanged
from tailrank.benchmarks.launcher import Running, running
from tailrank.benchmarks.subject import EVENTS, Epochs, Model, Subject, subject
from tailrank.cli.options import Data, Seed
from tailrank.errors import RequestError
from tailrank.state.base import StoredEvent
from tailrank.state.open import open_state

FEW: Final = 10_000
CANDIDATES: Final = 100
AT_ONCE: Final = 100
"""People whose events are kept in one call."""

LOOKED_UP: Final = 100
START: Final = 1_700_000_000


def state(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    users: Annotated[int, typer.Option(min=1_000, help="People with 50 events each.")] = 1_000_000,
    requests: Annotated[int, typer.Option(min=5, help="Rankings that are timed.")] = 5_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fill the embedded state with people of 50 events each; compare it with few people, and with none.

    People come in random order with all their events, items as often as people took them, as an import
    brings them. `own_mb` is memory of the server beyond one without people, after the same number of
    rankings; `files_mb` are pages of the state's file that it has mapped: the system takes them back when
    it needs room, and they can never be more than `disk_mb`. `compacted_mb` is the file after compaction,
    offline, once all that is done. Rankings are of 100 candidates, for people drawn evenly, by one client
    that waits; each brings an event that isn't stored, so that recalling a past doesn't help. The file is in
    the page cache, since it was just written.
    """
    figures: Figures = {}
    with subject(data, model, sequence_epochs, seed) as it:
        none = _measured(it, 0, requests, seed, {"own_mb": 0.0, "files_mb": 0.0})
        for n in (min(FEW, users // 10), users):
            figures[str(n)] = _measured(it, n, requests, seed, none)
    show(figures, as_json)


def _measured(it: Subject, n: int, requests: int, seed: int, none: dict[str, float]) -> dict[str, float]:
    """Fill a state and serve it; memory is given beyond that of a server without people."""
    from tailrank.state.compaction import compact

    folder = it.state.with_name(f"state-{n}")
    start = time.perf_counter()
    asyncio.run(_fill(it, folder, n, np.random.default_rng(seed)))
    filling = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    people = [_name(u) for u in rng.integers(max(1, n), size=requests + requests // WARM_UP).tolist()]
    sent = [
        request("/v1/rank", body)
        for body in it.rankings(len(people), CANDIDATES, rng, people, new_event=True)
    ]
    with running(it.model, folder) as server:
        if n:
            _look_up(server, people[:LOOKED_UP])
        connection = Connection(server.port)
        taken = exchanged(connection, sent, requests)
        connection.close()
        held = {name: mb - none[name] for name, mb in server.resident().items()}
    disk, compacted = (size / 1e6 for size in compact(folder))
    rate = n * EVENTS / filling
    return {"disk_mb": disk, "compacted_mb": compacted, **held, **taken, "filled_events_per_s": rate}


def _name(user: int) -> str:
    """Name a person, in 14 characters as Amazon does."""
    return f"A{user * 7_919_777 % 10**13:013d}"


async def _fill(it: Subject, folder: Path, n: int, rng: np.random.Generator) -> None:
    kept, counts = open_state(str(folder)), it.dataset.counts
    names, kind, share = it.dataset.item_ids, it.dataset.event_types[0], counts / counts.sum()
    for people in np.array_split(rng.permutation(n), max(1, n // AT_ONCE)):
        users = [_name(user) for user in people.tolist() for _ in range(EVENTS)]
        items = rng.choice(len(names), len(users), p=share).tolist()
        times = (START + np.sort(rng.integers(10**7, size=(len(people), EVENTS)), axis=1)).ravel().tolist()
        rows = enumerate(zip(users, items, times, strict=True))
        await kept.append([StoredEvent(str(at), u, names[item], kind, when) for at, (u, item, when) in rows])
    await kept.close()


def _look_up(server: Running, people: list[str]) -> None:
    """Hold some people to having all their events.

    Raises
    ------
    RequestError
        Where they don't.
    """
    connection = Connection(server.port)
    for name in people:
        found = len(connection.ask(f"/v1/users/{name}/history")["events"])
        if found != EVENTS:
            raise RequestError(f"the state has {found} events of {name}, not {EVENTS}")
    connection.close()

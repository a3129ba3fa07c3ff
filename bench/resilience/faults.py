"""Kill processes with -9 while they write events, again and again, and look for what was acknowledged.

Two processes write events through eight coroutines each and log what was acknowledged. `embedded`: one of
them, drawn at random, is killed, the other goes on until the round ends, then is killed too; then the
folder is opened and every event acknowledged in this round is looked up, and at the end all of all rounds,
and every page is walked through. `networked`: the server is killed and started again, the writers retry;
`appendfsync always`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

from bench.study import Json, Keep, report, timed
from bench.valkey import Server
from bench.waiting import wait_until
from tailrank.state.base import EVENTS_PER_USER, StateError, StoredEvent
from tailrank.state.environment import check_pages
from tailrank.state.open import open_state

KILLS: Final = 50
WRITERS: Final = 2
CONNECTIONS: Final = 8
USERS: Final = 40
"""Users of each connection: each call brings an event of all of them, so pages are shared and split."""

SECONDS: Final = (0.05, 0.6)
"""Between the first acknowledged event and the kill, drawn evenly."""


def events(run: int, connection: int, call: int) -> list[StoredEvent]:
    """Name the events of one call: of every user of the connection, the next one."""
    item = f"{run}-{connection}-{call}"
    return [StoredEvent(item, f"u{run}-{connection}-{n}", item, "click", 1e9 + call) for n in range(USERS)]


def write_events(location: str, run: int, log: Path) -> None:
    """Write events until killed; a line for each call that was acknowledged."""

    async def write() -> None:
        state = open_state(location)
        with log.open("w", buffering=1) as lines:

            async def connection(c: int) -> None:
                for call in itertools.count():
                    while True:
                        try:
                            await state.append(events(run, c, call))
                            break
                        except StateError:
                            await asyncio.sleep(0.02)
                    lines.write(f"{c} {call}\n")

            await asyncio.gather(*map(connection, range(CONNECTIONS)))

    asyncio.run(write())


class Writers:
    """Processes that write events, and the last call that was acknowledged, by run and connection."""

    def __init__(self, location: str, folder: Path) -> None:
        self.location, self._folder = location, folder
        self.acknowledged: dict[tuple[int, int], int] = {}
        self.runs = 0

    def start(self) -> dict[int, SpawnProcess]:
        """Start some, and wait until each has stored something."""
        started = {}
        for run in range(self.runs, self.runs + WRITERS):
            self._log(run).touch()
            arguments = (self.location, run, self._log(run))
            started[run] = get_context("spawn").Process(target=write_events, args=arguments, daemon=True)
            started[run].start()
        self.runs += WRITERS
        wait_until(
            lambda: all(self._log(run).stat().st_size for run in started), 60, "no writer stored an event"
        )
        return started

    def kill(self, run: int, process: SpawnProcess) -> None:
        """Kill one, and note what it had acknowledged."""
        process.kill()
        process.join()
        for line in self._log(run).read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                c, call = map(int, line.split())
                self.acknowledged[run, c] = call

    def _log(self, run: int) -> Path:
        return self._folder / f"log-{run}"

    async def lost(self, since: int = 0) -> int:
        """Count acknowledged events of the runs from one on that are not read."""
        state, lost = open_state(self.location), 0
        for (run, c), call in self.acknowledged.items():
            if run < since:
                continue
            wanted = [f"{run}-{c}-{n}" for n in range(max(0, call + 2 - EVENTS_PER_USER), call + 1)]
            for n in range(USERS):
                found = set((await state.read(f"u{run}-{c}-{n}")).history.items)
                lost += sum(item not in found for item in wanted)
        await state.close()
        return lost

    @property
    def n_events(self) -> int:
        """Count the acknowledged events."""
        return USERS * sum(call + 1 for call in self.acknowledged.values())


def embedded(folder: Path, kills: int) -> Json:
    """Kill writers of a folder."""
    writers, rng, lost, opened = Writers(str(folder / "state"), folder), random.Random(0), 0, []  # noqa: S311
    for _ in range(kills):
        first = writers.runs
        running = writers.start()
        victims = list(running.items())
        rng.shuffle(victims)
        for run, process in victims:
            time.sleep(rng.uniform(*SECONDS))
            writers.kill(run, process)
        opened.append(1000 * timed(lambda: asyncio.run(open_state(writers.location).close()))[1])
        lost += asyncio.run(writers.lost(since=first))
    lost += asyncio.run(writers.lost())
    check_pages(folder / "state")
    return {
        "kills": kills * WRITERS,
        "acknowledged": writers.n_events,
        "lost": lost,
        "damaged": False,
        "slowest_open_ms": round(max(opened), 1),
        "mb": round((folder / "state" / "data.mdb").stat().st_size / 1e6, 1),
    }


def networked(folder: Path, kills: int) -> Json:
    """Kill the server under its writers."""
    with Server(folder) as server:
        writers, rng, lost = Writers(server.url, folder), random.Random(0), 0  # noqa: S311
        running = writers.start()
        for _ in range(kills):
            time.sleep(rng.uniform(*SECONDS))
            server.kill()
            server.start()
        time.sleep(1)
        for run, process in running.items():
            writers.kill(run, process)
        lost = asyncio.run(writers.lost())
    return {"kills": kills, "acknowledged": writers.n_events, "lost": lost}


def main(kills: int = KILLS, keep: Keep = False) -> None:
    """Kill, look everything up, print one JSON object, and keep it."""
    found: Json = {}
    for name, run in {"embedded": embedded, "networked": networked}.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = run(Path(folder), kills)
    report("faults.json", found, keep)
    if found["embedded"]["lost"] or found["networked"]["lost"]:
        raise SystemExit("acknowledged events were lost")

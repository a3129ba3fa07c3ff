"""Kill a server that learns with -9 between a click and what is learned from it, 50 times: each counts once.

One worker ranks for six clients. Each clicks an item of every list that it was shown. The server, and the
process that learns beside it, are killed at a random moment, and start again. In the end what was learned,
kill by kill, is compared with what one pass over the same log learns: sums, weights in service, and the
outcomes that the guard is about to judge, bit by bit.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench.resilience.clients import items_of, load
from bench.resilience.impressions import CLIENTS, Clicks
from bench.study import Json, Keep, Model, report
from bench.waiting import wait_until
from tailrank.benchmarks.launcher import Server
from tailrank.feedback.attribution import outcomes
from tailrank.feedback.guard import Guard
from tailrank.feedback.learner import KIND, Learner, LearningNote
from tailrank.feedback.log_reader import LogReader
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.ranking.fusion import Fusion
from tailrank.server.loaded_model import LoadedModel
from tailrank.state.open import open_state

KILLS: Final = 50
SECONDS: Final = (0.05, 2.0)
"""Between the first click that is answered and the kill, drawn evenly: it is noted every half second."""

PATIENCE: Final = 120


def kills(model: Path, folder: Path, n: int) -> Json:
    """Kill, start again, and compare."""
    rng, clicks = random.Random(0), Clicks(items_of(model))  # noqa: S311
    log, state, served = folder / "log", folder / "state", LoadedModel.load(model)
    offline = served.reranker.fusion
    with Server(model, state, "--learn", "--log-impressions", str(log), "--queue-ms", "10000") as server:
        for turn in range(n):
            before = len(clicks.answered)
            jobs = {f"k{turn}-{c}": partial(clicks.work, f"k{turn}-{c}") for c in range(CLIENTS)}
            with load(server.port, jobs):
                wait_until(lambda: len(clicks.answered) > before, PATIENCE)  # noqa: B023
                time.sleep(rng.uniform(*SECONDS))
                server.kill()
            server.start()
        once, n_events = one_pass(log, served.name, offline)
        wait_until(lambda: equal(learned(state, offline), once), PATIENCE, "other sums were learned")
    clicked = sum(int(found.clicked.sum()) for found in outcomes(read_log(log)))
    return {
        "kills": n,
        "clicks_answered": len(clicks.answered),
        "clicks_in_the_log": clicked,
        "learned": n_events,
        "lost_or_twice": abs(n_events - clicked),
        "bits_equal": True,
    }


def one_pass(log: Path, model: str, offline: Fusion) -> tuple[Guard, int]:
    """Learn a log from its beginning to its end; also returns from how many events."""
    learner, reader = Learner(model, Guard(OnlineFusion.start(offline))), LogReader(log)
    while parts := reader.read():
        learner.learn(parts)
    return learner.guard, learner.learned


def learned(state: Path, offline: Fusion) -> Guard:
    """Read what the server has learned so far."""

    async def read() -> dict[str, bytes]:
        opened = open_state(str(state))
        try:
            return await opened.notes(KIND)
        finally:
            await opened.close()

    found = [LearningNote.decoded(note).guard(offline) for note in asyncio.run(read()).values()]
    return found[0] if found else Guard(OnlineFusion.start(offline))


def equal(one: Guard, other: Guard) -> bool:
    """Compare everything that was learned, and that decisions to come depend on, bit by bit."""
    arrays = other.arrays()
    return all(np.array_equal(array, arrays[name]) for name, array in one.arrays().items())


def main(
    model: Model, n: Annotated[int, typer.Option("--kills", help="How many.")] = KILLS, keep: Keep = False
) -> None:
    """Kill a server that learns, print one JSON object, and keep it."""
    with tempfile.TemporaryDirectory() as folder:
        report("resilience-learning.json", kills(model, Path(folder), n), keep)

"""What steps after the score cost a request for the top 10 of 200: each alone, and all together, by turns."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from threadpoolctl import threadpool_limits

from bench.study import Json, Keep, report
from tailrank.arrays import Doubles
from tailrank.benchmarks.subject import EVENTS, draw_candidates, long_histories
from tailrank.cli.options import load
from tailrank.policy.registry import from_description
from tailrank.ranking.attributes import ItemAttributes
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

CANDIDATES: Final = 200
PLACES: Final = 10
TURN: Final = 20
"""Requests that a list of steps ranks in one go, as a server does."""

RELEASED: Final = "released"
"""A column of dates, which the films lack: the first day of their year."""

Steps = list[dict[str, Any]]

ALONE: Final[dict[str, Steps]] = {
    "mmr": [{"name": "diversity", "strategy": "mmr"}],
    "msd": [{"name": "diversity", "strategy": "msd"}],
    "dpp": [{"name": "diversity", "strategy": "dpp"}],
    "similarity-ceiling": [{"name": "similarity-ceiling", "cosine": 0.5}],
    "cap": [{"name": "cap", "column": "genres"}],
    "xquad": [{"name": "xquad"}],
    "calibration of genres": [{"name": "calibration", "column": "genres"}],
    "calibration of head and tail": [{"name": "calibration"}],
    "fresh": [{"name": "fresh", "column": RELEASED}],
    "tail": [{"name": "tail", "strength": 0.3}],
    "exposure": [{"name": "exposure", "price": 0.01}],
    "fair": [{"name": "fair", "column": "genres", "protected": ["Drama", "War"], "share": 0.4}],
}
TOGETHER: Final = ("tail", "fresh", "xquad", "calibration of genres", "mmr", "similarity-ceiling", "cap")
OFF: Final[Steps] = [
    {"name": "tail", "strength": 0},
    {"name": "fresh", "column": RELEASED, "boost": 0},
    {"name": "xquad", "strength": 0},
    {"name": "calibration", "column": "genres", "strength": 0},
    {"name": "diversity", "strength": 0},
]
ALL: Final[dict[str, Steps]] = {
    "none": [],
    "all off": OFF,
    **ALONE,
    "all together": [step for name in TOGETHER for step in ALONE[name]],
}


def with_dates(model: Reranker) -> Reranker:
    """Say when items were released."""
    items = model.catalogue.items
    dated = items.with_columns(pl.date(pl.col("year").fill_null(1990), 1, 1).alias(RELEASED))
    return replace(model, catalogue=replace(model.catalogue, attributes=ItemAttributes(dated)))


def measured(model: Reranker, requests: list[Request], rounds: int) -> dict[str, Doubles]:
    """Time lists of steps by turns, in another order each round, on the same requests of that round.

    Returns
    -------
    dict[str, Doubles]
        Milliseconds of this thread's CPU time, each of shape (rounds, TURN).
    """
    policies = {name: from_description(steps) for name, steps in ALL.items()}
    rng, found = np.random.default_rng(0), {name: np.empty((rounds, TURN)) for name in ALL}
    for at in range(rounds):
        turn = [requests[each % len(requests)] for each in range(at * TURN, (at + 1) * TURN)]
        for name in rng.permutation([*ALL]).tolist():
            for place, request in enumerate([turn[-1], *turn]):
                asked = replace(request, policy=policies[name])
                start = time.thread_time()
                model.rank(asked)
                if place:  # the first only warms up
                    found[name][at, place - 1] = 1000 * (time.thread_time() - start)
    return found


def added(times: Doubles, none: Doubles) -> Json:
    """Give the medians of a list of steps, and of what it adds to the same request without any."""
    return {"ms": float(np.median(times)), "added_ms": float(np.median(times - none))}


def main(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Of films with genres and years.")],
    data: Annotated[str, typer.Option(help="That the model learned from.")] = "movielens-100k",
    rounds: Annotated[int, typer.Option(min=1)] = 50,
    keep: Keep = False,
) -> None:
    """Measure, print one JSON object and, if asked to, keep it."""
    dataset, reranker = load(data), with_dates(Reranker.load(model))
    _, histories = long_histories(dataset)
    rows = histories.items.reshape(-1, EVENTS).tolist()
    events = [[dataset.item_ids[code] for code in row] for row in rows]
    lists = draw_candidates(dataset, 64, CANDIDATES, np.random.default_rng(0))
    requests = [Request(each, lists[at % len(lists)], k=PLACES) for at, each in enumerate(events)]
    with threadpool_limits(limits=1):
        found = measured(reranker, requests, rounds)
    measurements = [{"steps": each, **added(times, found["none"])} for each, times in found.items()]
    about = {
        "dataset": dataset.name,
        "candidates": CANDIDATES,
        "places": PLACES,
        "events": EVENTS,
        "requests": rounds * TURN,
    }
    report("policies.json", {**about, "rows": measurements}, keep)

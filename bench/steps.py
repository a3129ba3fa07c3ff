"""How far one more event moves a rare item's score, by its count alone: all signals stay as they are.

Fusion's weights are linear between counts (`COUNT_KNOTS`), so nothing jumps at an edge; but a line may be
steep. Histories are the latest events of users drawn at random, items all that have fewer than 30 events.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import numpy as np
import typer

from bench.study import Json, Keep, Model, report
from tailrank.arrays import Doubles, Offsets
from tailrank.cli.options import load
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.ranking.fusion import count_levels
from tailrank.ranking.reranker import Reranker

LENGTHS: Final = (0, 2, 5, 10, 30)
"""Of histories: one for each group that fusion tells apart."""

RARE: Final = 30
ALLOWED: Final = 0.2
"""What one event should move at most, in log-odds."""


def main(
    model: Model,
    data: Annotated[str, typer.Option(help="What it learned from: a public data set, or a folder.")] = (
        "movielens-100k"
    ),
    users: Annotated[int, typer.Option(min=1, help="Drawn at random.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    keep: Keep = False,
) -> None:
    """Measure, and print."""
    reranker, dataset = Reranker.load(model), load(data)
    contents = {
        "command": f"python -m bench steps MODEL --data {dataset.name} --users {users} --seed {seed}",
        "dataset": dataset.name,
        "tail_emphasis": reranker.fusion.tail_emphasis,
        "rows": [
            {"length": length, **measured(reranker, dataset, length, users, np.random.default_rng(seed))}
            for length in LENGTHS
        ],
    }
    report(f"{dataset.name}/steps.json", contents, keep)


def measured(reranker: Reranker, dataset: Dataset, length: int, users: int, rng: np.random.Generator) -> Json:
    """Say how large the steps are, for histories of one length."""
    enough = np.flatnonzero(dataset.histories.lengths >= length)
    drawn = rng.choice(enough, min(users, len(enough)), replace=False).tolist() if length else [0]
    histories = [dataset.history(dataset.user_ids[user])[-length:] if length else [] for user in drawn]
    found = np.abs(np.concatenate([steps(reranker, history) for history in histories]))
    return {
        "steps": len(found),
        "median": float(np.median(found)),
        "p99": float(np.quantile(found, 0.99)),
        "largest": float(found.max()),
        "above": float((found > ALLOWED).mean()),
    }


def steps(reranker: Reranker, history: list[Event]) -> Doubles:
    """Give what one more event adds to the score of each rare item that a history doesn't hold."""
    counts = reranker.catalogue.counts
    known = {event.item_id for event in history}
    rare = reranker.catalogue.ids_of(np.flatnonzero(counts < RARE).astype(np.int32))
    items = [name for name in rare if name not in known]
    return _scores(reranker, counts + 1, history, items) - _scores(reranker, counts, history, items)


def _scores(reranker: Reranker, counts: Offsets, history: list[Event], items: list[str]) -> Doubles:
    """Give scores in the order of the items, without policies, as if these had other counts."""
    catalogue = replace(reranker.catalogue, counts=counts, levels=count_levels(counts))
    ranking = replace(reranker, catalogue=catalogue, policy=()).rank(history, items)
    scores = dict(zip(ranking.item_ids, ranking.scores, strict=True))
    return np.array([scores[name] for name in items])

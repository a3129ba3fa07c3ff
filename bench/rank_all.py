"""How many users a core-second re-ranks: many lists at once, one by one, and in all of `tailrank rank-all`.

Every user of a data set has candidates drawn at random, with scores of a recommender drawn likewise, and is
ranked by a model of all signals but the sequence model, or with it (`--sequence-epochs 1`: how long it
learned doesn't change its speed), on one thread. What is timed is the processor's time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
import typer
from threadpoolctl import threadpool_limits

from bench.study import Data, Json, Keep, Name, encoded, report
from tailrank.benchmarks.subject import draw_candidates
from tailrank.ranking.part_ranking import rank_part
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.user_lists import UserLists

AT_ONCE: Final = 1_000
"""Users of a part, as in `rank-all`."""

ONE_BY_ONE: Final = 2_000
"""Users who are ranked one by one in a turn, at most: others in each, as a model remembers its latest."""

K: Final = 10
REPEATS: Final = 3


def main(
    data: Data,
    name: Name,
    candidates: Annotated[int, typer.Option(min=1, help="Of each user.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the fit and of the candidates.")] = 0,
    sequence_epochs: Annotated[int, typer.Option(min=0, help="0: no sequence model.")] = 0,
    keep: Keep = False,
) -> None:
    """Time the fastest of three turns of each way."""
    dataset, vectors, about = encoded(name, data)
    reranker = Reranker.fit(
        dataset, {"semantic": vectors}, Settings(seed=seed, sequence_epochs=sequence_epochs)
    )
    rng, users = np.random.default_rng(seed), dataset.user_ids.to_list()
    lists = draw_candidates(dataset, len(users), candidates, rng)
    scores = rng.random((len(users), candidates)).tolist()
    latest = partial(dataset.latest, n=reranker.settings.max_history)
    pasts = latest(users)
    asked = [Request(*row, k=K) for row in zip(pasts, lists, scores, strict=True)]
    few = min(ONE_BY_ONE, len(asked) // REPEATS)

    def single(turn: int) -> None:
        for request in asked[turn * few : (turn + 1) * few]:
            reranker.rank(request)

    def many(_: int) -> None:
        for at in range(0, len(asked), AT_ONCE):
            reranker.rank_many(asked[at : at + AT_ONCE])

    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        file = Path(folder) / "candidates.parquet"
        columns = {
            "user_id": np.repeat(users, candidates),
            "item_id": np.ravel(lists),
            "score": np.ravel(scores),
        }
        pl.DataFrame(columns).write_parquet(file)
        table = UserLists.read(file, dataset.item_ids)

        def whole(_: int) -> None:
            for part in table.parts(range(-(-len(table) // AT_ONCE)), AT_ONCE, latest):
                rank_part(reranker, part, K, time.time()).write_parquet(Path(folder) / "part.parquet")

        speeds: Json = {
            "rank_many": _speed(many, len(asked)),
            "rank, one by one": _speed(single, few),
            "rank-all after reading": _speed(whole, len(asked)),
        }
    events = float(np.mean([len(past.items) for past in pasts]))
    shape = {
        "users": len(users),
        "items": dataset.n_items,
        "candidates": candidates,
        "events of a user": events,
    }
    file_name = f"{name}/rank-all{'-sequence' if sequence_epochs else ''}.json"
    report(
        file_name,
        {
            **about,
            **shape,
            "seed": seed,
            "signals": [signal.name for signal in reranker.signals],
            "users a core-second": speeds,
        },
        keep,
    )


def _speed(work: Callable[[int], object], users: int) -> float:
    """Give the users a core-second of the fastest turn."""
    spent = []
    for turn in range(REPEATS):
        start = time.process_time()
        work(turn)
        spent.append(time.process_time() - start)
    return users / min(spent)

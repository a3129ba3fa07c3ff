"""Simulate users, and store what learning from their clicks is worth; start again to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import typer
from scipy import stats

from bench import charts
from bench.learners import LambdaMART, LinUCB
from bench.study import Data, Json, Seeds, Values, chosen, encoded, kept_file, numbers, remembered, store
from tailrank.arrays import Codes, Doubles
from tailrank.cli.progress import progress_bars
from tailrank.data.cold_items import natural_protocol
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out, temporal
from tailrank.evaluation.simulation.hindsight import best_weights
from tailrank.evaluation.simulation.learners import Fixed, Learner, Online
from tailrank.evaluation.simulation.simulator import AT_ONCE, RANKINGS_A_DAY, Simulation
from tailrank.evaluation.simulation.visits import Visits
from tailrank.files import written_file
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

SETS: Final = ("movielens-small-plots", "amazon-beauty")
SHIFTS: Final[Mapping[str, float | None]] = {"taste shifts half-way": 0.5, "nothing shifts": None}
FROZEN, BEST = "frozen", "best fixed weights"
WAYS: Final = (BEST, FROZEN, "online", "linucb", "lambdamart")
LAMBDAMART_SEEDS: Final = {"movielens-small-plots": 10, "amazon-beauty": 2}
"""How many of the seeds it gets, since it is slow."""

VISITS, PER_USER = 3_000, 30
POINTS: Final = 50
"""Of a curve."""

PLOT: Final = Path(__file__).parents[1] / "docs" / "simulation-regret.svg"


class Ground(NamedTuple):
    """A data set, users who come, and what to say of it."""

    dataset: Dataset
    visits: Visits
    about: Json


def prepared(name: str, data: Path) -> Ground:
    """Fit a model before the latest events, and score the candidates of users who come then."""
    dataset, vectors, about = encoded(name, data)
    by_time = natural_protocol(dataset) == "temporal"
    split = temporal(dataset, PER_USER) if by_time else leave_one_out(dataset)
    folder = kept_file("learning", dataset, 0, "model").with_suffix("")
    with progress_bars() as progress:
        if not folder.exists():
            Reranker.fit(split, vectors, Settings(), progress).save(folder)
        reranker = Reranker.load(folder)
        asked = split.test.sample(VISITS, seed=0)
        visits = Visits.from_queries(reranker, split.full_train, asked, progress=progress)
    about |= {
        "protocol": split.protocol,
        "visits": len(visits),
        "users": len(np.unique(visits.users)),
        "candidates": visits.size,
        "signals": visits.fusion.signals,
    }
    return Ground(dataset, visits, about)


def expected(way: str, ground: Ground, simulation: Simulation) -> Values:
    """Rank in one of `WAYS`; gives the clicks to be expected of each ranking."""
    visits = ground.visits
    ways: Mapping[str, Callable[[], Learner]] = {
        BEST: lambda: Fixed.with_weights(visits, best_weights(simulation)),
        FROZEN: lambda: Fixed(visits.scores),
        "online": lambda: Online.start(visits),
        "linucb": lambda: LinUCB.start(visits),
        "lambdamart": lambda: LambdaMART.start(visits),
    }
    return {"clicks": simulation.run(ways[way]()).expected}


def scenario(ground: Ground, shift: float | None, seeds: Mapping[str, Sequence[int]], rankings: int) -> Json:
    """Let every way meet the same users, each with its seeds; those of frozen and best weights are all."""
    clicks: dict[str, list[Doubles]] = {way: [] for way in WAYS}
    users = {}
    for way in WAYS:
        for seed in seeds[way]:
            simulation = Simulation.draw(ground.visits, rankings, shift=shift, seed=seed)
            users[seed] = ground.visits.users[simulation.rows]
            file = kept_file("learning", ground.dataset, seed, f"{way}-{shift}-{rankings}")
            found = remembered(file, partial(expected, way, ground, simulation))
            clicks[way].append(found["clicks"])
    return {way: row(way, clicks, list(users.values())) for way in WAYS if seeds[way]}


def row(way: str, clicks: Mapping[str, Sequence[Doubles]], users: Sequence[Codes]) -> Json:
    """Give clicks a ranking, what they gain on the frozen weights, and the regret, with 95% intervals."""
    n = len(clicks[way])
    own, frozen, best = (np.array(clicks[each][:n]) for each in (way, FROZEN, BEST))
    regret = (best - own).cumsum(axis=1)
    at = np.linspace(0, regret.shape[1] - 1, POINTS).astype(int)
    over_users = paired_bootstrap(own.ravel(), frozen.ravel(), np.concatenate(users[:n]))
    scale = 100 / float(frozen.mean())
    return {
        "clicks": float(own.mean()),
        "gain_percent": over_seeds(100 * (own.mean(axis=1) / frozen.mean(axis=1) - 1)),
        "gain_percent_users_ci95": over_users and [scale * over_users.low, scale * over_users.high],
        "regret": over_seeds(regret[:, -1]),
        "regret_after": {"rankings": (at + 1).tolist(), "mean": regret[:, at].mean(axis=0).tolist()},
    }


def over_seeds(values: Doubles) -> Json:
    """Average over seeds, shape (seeds,), with a 95% interval by Student's t if there are several."""
    mean, n = float(values.mean()), len(values)
    found: Json = {"mean": mean, "ci95": None, "seeds": values.tolist()}
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
        found["ci95"] = [mean - half, mean + half]
    return found


def main(
    data: Data,
    names: Annotated[list[str] | None, typer.Argument(help="Of data sets; else both.")] = None,
    seeds: Seeds = "0,1,2,3,4,5,6,7,8,9",
    rankings: Annotated[int, typer.Option(help="Lists that are shown.")] = 50_000,
) -> None:
    """Store the study, and draw the regret."""
    drawn, sets = numbers(seeds), []
    for name in chosen(names, SETS):
        each = {way: drawn[: LAMBDAMART_SEEDS[name] if way == "lambdamart" else None] for way in WAYS}
        ground = prepared(name, data)
        found = {scene: scenario(ground, shift, each, rankings) for scene, shift in SHIFTS.items()}
        sets.append({**ground.about, "scenarios": found})
    about = {"rankings": rankings, "seeds": drawn, "published_every": AT_ONCE}
    store("learning.json", {**about, "rankings_a_day": RANKINGS_A_DAY, "sets": sets})
    with written_file(PLOT) as new:
        new.write_text(charts.svg(charts.regret, sets), encoding="utf-8")
